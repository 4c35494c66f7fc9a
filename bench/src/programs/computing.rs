//! Programs that mostly compute.

use gochan::{Chan, go};

use super::turns::compute;

/// Eight goroutines take jobs from a channel and compute on each.
pub fn pool(jobs: u64, turns: u64, capacity: usize) -> u64 {
    const GOROUTINES: u64 = 8;
    let queue = Chan::<u64>::new(capacity);
    let sums = Chan::<u64>::new(0);
    for _ in 0..GOROUTINES {
        go!(clone(queue, sums), {
            let mut sum = 0_u64;
            for job in queue.receiver() {
                sum = sum.wrapping_add(compute(job, turns));
            }
            sums.send(sum).expect("open");
        });
    }
    for job in 1..=jobs {
        queue.send(job).expect("open");
    }
    queue.close();
    let sums = (0..GOROUTINES).map(|_| sums.recv().expect("open"));
    sums.fold(0, u64::wrapping_add)
}

/// Sorts pseudorandom numbers and folds them into one that depends on their order.
pub fn sort(length: usize, split: usize) -> u64 {
    let mut x = 1;
    let mut values: Vec<u64> = (0..length)
        .map(|_| {
            x = compute(x, 1);
            x
        })
        .collect();
    merge_sort(&mut values, &mut vec![0; length], split);
    values
        .iter()
        .fold(0_u64, |fold, value| fold.rotate_left(1) ^ value)
}

/// Gives one half to another goroutine where there are more values than `split`.
fn merge_sort(values: &mut [u64], scratch: &mut [u64], split: usize) {
    const FEW: usize = 16;
    if values.len() <= FEW {
        insertion_sort(values);
        return;
    }
    let middle = values.len() / 2;
    let shared = values.len() > split;
    let (left, right) = values.split_at_mut(middle);
    let (scratch_left, scratch_right) = scratch.split_at_mut(middle);
    if shared {
        gochan::scope(|s| {
            go!(in s, { merge_sort(left, scratch_left, split) });
            merge_sort(right, scratch_right, split);
        });
    } else {
        merge_sort(left, scratch_left, split);
        merge_sort(right, scratch_right, split);
    }
    scratch.copy_from_slice(values);
    let (left, right) = scratch.split_at(middle);
    merge(values, left, right);
}

fn insertion_sort(values: &mut [u64]) {
    for next in 1..values.len() {
        let value = values[next];
        let mut place = next;
        while place > 0 && values[place - 1] > value {
            values[place] = values[place - 1];
            place -= 1;
        }
        values[place] = value;
    }
}

fn merge(values: &mut [u64], left: &[u64], right: &[u64]) {
    let (mut l, mut r) = (0, 0);
    for value in values {
        if r == right.len() || l < left.len() && left[l] <= right[r] {
            *value = left[l];
            l += 1;
        } else {
            *value = right[r];
            r += 1;
        }
    }
}

/// Sends items through three stages that compute on each.
pub fn pipeline(items: u64, turns: u64) -> u64 {
    const STAGES: usize = 3;
    let (source, mut end) = gochan::channel::<u64>(0);
    go! {
        for item in 1..=items {
            source.send(item).expect("the first stage receives");
        }
    };
    for _ in 0..STAGES {
        let (to, next) = gochan::channel(0);
        let from = std::mem::replace(&mut end, next);
        go! {
            for item in from {
                to.send(compute(item, turns)).expect("the next stage receives");
            }
        };
    }
    end.into_iter().fold(0, u64::wrapping_add)
}

/// Starts many short goroutines and gathers what they computed, again and again.
pub fn scatter(times: u64, count: u64, turns: u64) -> u64 {
    let mut total = 0_u64;
    for _ in 0..times {
        let results = Chan::<u64>::new(0);
        for job in 1..=count {
            go!(clone(results), {
                results.send(compute(job, turns)).expect("open");
            });
        }
        for _ in 0..count {
            total = total.wrapping_add(results.recv().expect("open"));
        }
    }
    total
}

/// Starts a goroutine for each node of a tree and sums their numbers.
pub fn tree(count: u64) -> u64 {
    let sum = Chan::new(0);
    go!(node(1, count, sum.clone()));
    sum.recv().expect("open")
}

fn node(number: u64, count: u64, parent: Chan<u64>) {
    let mut sum = number;
    if 2 * number <= count {
        let sums = Chan::new(0);
        let children = 2 * number..=count.min(2 * number + 1);
        for child in children.clone() {
            go!(node(child, count, sums.clone()));
        }
        for _ in children {
            sum += sums.recv().expect("open");
        }
    }
    parent.send(sum).expect("open");
}

#[cfg(test)]
mod tests {
    use gochan::runtime::{Config, Runtime};

    use super::*;

    #[test]
    fn merge_sort_sorts() {
        for (length, split) in [(0, 1), (1, 1), (17, 16), (1000, 20), (1001, 5000)] {
            let values: Vec<u64> = (0..length).map(|i| compute(i + 1, 2) % 500).collect();
            let mut expected = values.clone();
            expected.sort_unstable();
            let sorted = Runtime::new(Config::new().workers(2))
                .unwrap()
                .run(move || {
                    let mut values = values;
                    let mut scratch = vec![0; values.len()];
                    merge_sort(&mut values, &mut scratch, split);
                    values
                });
            assert_eq!(sorted, expected, "{length} values, split above {split}");
        }
    }
}
