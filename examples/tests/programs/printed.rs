//! What the programs print, word for word.

use crate::child::{WORKERS, program, run};

/// Runs a program on one worker and on two; it must succeed and print exactly
/// `expected`, and nothing on standard error.
#[track_caller]
fn prints(path: &str, arguments: &[&str], expected: &str) {
    for workers in WORKERS {
        let finished = run(program(path, workers).args(arguments));
        let stdout = String::from_utf8(finished.stdout).expect("the programs print UTF-8");
        assert_eq!(
            finished.stderr, "",
            "standard error of {path} on {workers} workers"
        );
        assert_eq!(stdout, expected, "output of {path} on {workers} workers");
        assert!(finished.status.success(), "{path}: {}", finished.status);
    }
}

/// Runs a program with arguments that it must refuse with `complaint`.
#[track_caller]
fn refuses(path: &str, arguments: &[&str], complaint: &str) {
    let finished = run(program(path, 1).args(arguments));
    assert!(
        finished.stderr.contains(complaint),
        "{path} says: {}",
        finished.stderr
    );
    assert!(finished.stdout.is_empty());
    assert_eq!(finished.status.code(), Some(2));
}

#[test]
fn sieve() {
    let path = env!("CARGO_BIN_EXE_sieve");
    prints(path, &["5"], "2\n3\n5\n7\n11\n");
    let primes = (2u32..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0));
    let lines: String = primes.take(500).map(|prime| format!("{prime}\n")).collect();
    prints(path, &["500"], &lines);
    refuses(path, &["0"], "invalid value '0' for '[N]'");
    refuses(path, &["many"], "invalid value 'many' for '[N]'");
}

#[test]
fn pingpong() {
    let path = env!("CARGO_BIN_EXE_pingpong");
    prints(
        path,
        &[],
        "  1  ping\n  2  pong\n  3  ping\n  4  pong\n  5  ping\n  6  pong\n",
    );
    prints(path, &["--hits", "1"], "  1  ping\n");
    prints(path, &["--hits", "0"], "");
    refuses(path, &["--hits", "-1"], "unexpected argument '-1'");
}

#[test]
fn workerpool() {
    let path = env!("CARGO_BIN_EXE_workerpool");
    let expected = "     \
     1 to  10000: 6171 takes 261 steps
 10001 to  20000: 17647 takes 278 steps
 20001 to  30000: 26623 takes 307 steps
 30001 to  40000: 35655 takes 323 steps
 40001 to  50000: 45127 takes 313 steps
 50001 to  60000: 52527 takes 339 steps
 60001 to  70000: 60975 takes 334 steps
 70001 to  80000: 77031 takes 350 steps
";
    prints(path, &[], expected);
    prints(path, &["--workers", "1"], expected);
    prints(path, &["--workers", "100"], expected);
    prints(path, &["--jobs", "0"], "");
    refuses(
        path,
        &["--workers", "0"],
        "invalid value '0' for '--workers <N>'",
    );
}

#[test]
fn fanin() {
    let path = env!("CARGO_BIN_EXE_fanin");
    prints(
        path,
        &[],
        "\
select!: [5, 5] readings, each source in order
goroutines: [5, 5, 5] readings, each source in order
Select: [5, 5, 5] readings, each source in order
",
    );
    prints(
        path,
        &["--sources", "0", "--readings", "1000"],
        "\
select!: [1000, 1000] readings, each source in order
goroutines: [] readings, each source in order
Select: [] readings, each source in order
",
    );
}

#[test]
fn pipeline() {
    let path = env!("CARGO_BIN_EXE_pipeline");
    let stopped = "\
squares: stopped, its reader had left
palindromes: stopped, its reader had left
numbered: stopped, its reader had left
";
    let lines = "  1  1\n  2  4\n  3  9\n  4  121\n  5  484\n  6  676\n  7  10201\n";
    prints(path, &["--take", "7"], &format!("{lines}{stopped}"));
    prints(path, &["--take", "0"], stopped);
}

#[test]
fn treecompare() {
    let path = env!("CARGO_BIN_EXE_treecompare");
    prints(
        path,
        &[],
        "\
one tree, two shapes: same, 1000 keys
a changed key: differ at key 301, 300 and 301
a missing key: differ at key 1000, which only one has
",
    );
    prints(
        path,
        &["--keys", "0"],
        "\
one tree, two shapes: same, 0 keys
a changed key: same, 0 keys
a missing key: same, 0 keys
",
    );
}

#[test]
fn crawler() {
    let path = env!("CARGO_BIN_EXE_crawler");
    let expected = "\
/                4 links
/about           2 links
/blog            4 links
/blog/drafts     missing, linked from: /blog
/blog/engines    3 links
/blog/moths      3 links
/docs            4 links
/docs/channels   2 links
/docs/compilers  1 links
/docs/select     3 links
/docs/timers     missing, linked from: /blog/engines /docs/select
/team            3 links
/team/ada        2 links
/team/grace      3 links
14 addresses visited, 2 missing
";
    prints(path, &[], expected);
    prints(path, &["--fetchers", "1"], expected);
    prints(path, &["--fetchers", "50"], expected);
    prints(
        path,
        &["--start", "/nowhere"],
        "/nowhere         missing, linked from: \n1 addresses visited, 1 missing\n",
    );
}

#[test]
fn ratelimit() {
    let path = env!("CARGO_BIN_EXE_ratelimit");
    prints(
        path,
        &[],
        "\
request  1: at once
request  2: at once
request  3: at once
request  4: not before 20 ms
request  5: not before 40 ms
request  6: not before 60 ms
request  7: not before 80 ms
request  8: not before 100 ms
",
    );
    prints(
        path,
        &["--burst", "0", "--requests", "2", "--interval", "5"],
        "request  1: not before 5 ms\nrequest  2: not before 10 ms\n",
    );
    refuses(
        path,
        &["--interval", "0"],
        "invalid value '0' for '--interval <MS>'",
    );
}

#[test]
fn heartbeat() {
    let path = env!("CARGO_BIN_EXE_heartbeat");
    prints(
        path,
        &[],
        "\
worker 1 starts with task 1
task 1 done
task 2 done
worker 1 fell silent at task 3
worker 2 starts with task 3
task 3 done
task 4 done
task 5 done
5 tasks done by 2 workers
",
    );
    prints(
        path,
        &["--tasks", "1", "--hang", "0"],
        "worker 1 starts with task 1\ntask 1 done\n1 tasks done by 1 workers\n",
    );
    prints(path, &["--tasks", "0"], "0 tasks done by 0 workers\n");
    refuses(
        path,
        &["--pulse", "0"],
        "invalid value '0' for '--pulse <MS>'",
    );
}

#[test]
fn contexttree() {
    let path = env!("CARGO_BIN_EXE_contexttree");
    prints(
        path,
        &[],
        "\
shard 1: request 1 answered by replica 2
shard 2: request 1 answered by replica 1
shard 3: context deadline exceeded
shard 4: request 1 answered by replica 1
replicas: 3 answered, 6 canceled, 3 out of time
",
    );
    prints(
        path,
        &["--stop", "--shards", "2"],
        "\
shard 1: context canceled
shard 2: context canceled
the search was stopped: nobody wants to know
replicas: 0 answered, 6 canceled, 0 out of time
",
    );
    refuses(
        path,
        &["--replicas", "0"],
        "invalid value '0' for '--replicas <N>'",
    );
}

#[test]
fn philosophers() {
    let path = env!("CARGO_BIN_EXE_philosophers");
    let dinner = |meals: u32| {
        let twice = 2 * meals;
        format!(
            "\
Anscombe ate {meals} meals
Beauvoir ate {meals} meals
Cavendish ate {meals} meals
Diotima ate {meals} meals
Elisabeth ate {meals} meals
forks were used for [{twice}, {twice}, {twice}, {twice}, {twice}] meals
"
        )
    };
    prints(path, &[], &dinner(3));
    prints(path, &["--meals", "1000"], &dinner(1000));
}

#[test]
fn errgroup() {
    let path = env!("CARGO_BIN_EXE_errgroup");
    let page = "\
footer: all rights to the gophers
header: The Daily Burrow
market: carrots up, turnips down
stories: tunnel opened, nobody knows where
weather: dark, as always below ground
";
    prints(path, &[], page);
    prints(path, &["--limit", "1"], page);
    for workers in WORKERS {
        let finished = run(program(path, workers).args(["--broken", "market"]));
        let stdout = String::from_utf8_lossy(&finished.stdout);
        assert_eq!(stdout, "no page: the part \"market\" is broken\n");
        assert_eq!(finished.status.code(), Some(1));
    }
    refuses(
        path,
        &["--limit", "0"],
        "invalid value '0' for '--limit <N>'",
    );
}

#[test]
fn singleflight() {
    let path = env!("CARGO_BIN_EXE_singleflight");
    prints(
        path,
        &[],
        "\
Accra: 4981 km, asked for 8 times, fetched 1 times
Bergen: 1063 km, asked for 8 times, fetched 1 times
Caracas: 8394 km, asked for 7 times, fetched 1 times
Dakar: 4566 km, asked for 7 times, fetched 1 times
",
    );
    prints(path, &["--readers", "0"], "");
}

#[test]
fn stateful() {
    let path = env!("CARGO_BIN_EXE_stateful");
    prints(
        path,
        &["--tellers", "1", "--transfers", "4"],
        "\
clerk: [1001, 1004, 998, 997], 4000 in all
safe: [1001, 1004, 998, 997], 4000 in all
",
    );
    let many = run(program(path, 2).args(["--tellers", "100", "--transfers", "1000"]));
    let stdout = String::from_utf8_lossy(&many.stdout);
    let (clerk, safe) = stdout.split_once('\n').expect("two lines");
    assert_eq!(clerk.replace("clerk", "safe"), safe.trim_end());
}

#[test]
fn powerseries() {
    let path = env!("CARGO_BIN_EXE_powerseries");
    prints(
        path,
        &[],
        "\
1/(1-x)          1 1 1 1 1 1 1 1 1 1
1/(1-x)^2        1 2 3 4 5 6 7 8 9 10
1/(1-x-x^2)      1 1 2 3 5 8 13 21 34 55
exp(x)           1 1 1/2 1/6 1/24 1/120 1/720 1/5040 1/40320 1/362880
exp(x+x^2)       1 1 3/2 7/6 25/24 27/40 331/720 1303/5040 1979/13440 5357/72576
log(1+x)         0 1 -1/2 1/3 -1/4 1/5 -1/6 1/7 -1/8 1/9
exp(log(1+x))    1 1 0 0 0 0 0 0 0 0
atan(x)          0 1 0 -1/3 0 1/5 0 -1/7 0 1/9
tan(x)           0 1 0 1/3 0 2/15 0 17/315 0 62/2835
1+tan(x)^2       1 0 1 0 2/3 0 17/45 0 62/315 0
exp(tan(x))      1 1 1/2 1/2 3/8 37/120 59/240 137/720 871/5760 41641/362880
reverse of x-x^2 0 1 1 2 5 14 42 132 429 1430
",
    );
}

#[test]
fn every_program_explains_itself() {
    for path in [
        env!("CARGO_BIN_EXE_contexttree"),
        env!("CARGO_BIN_EXE_crawler"),
        env!("CARGO_BIN_EXE_errgroup"),
        env!("CARGO_BIN_EXE_fanin"),
        env!("CARGO_BIN_EXE_heartbeat"),
        env!("CARGO_BIN_EXE_md5all"),
        env!("CARGO_BIN_EXE_philosophers"),
        env!("CARGO_BIN_EXE_pingpong"),
        env!("CARGO_BIN_EXE_pipeline"),
        env!("CARGO_BIN_EXE_powerseries"),
        env!("CARGO_BIN_EXE_ratelimit"),
        env!("CARGO_BIN_EXE_sieve"),
        env!("CARGO_BIN_EXE_singleflight"),
        env!("CARGO_BIN_EXE_stateful"),
        env!("CARGO_BIN_EXE_treecompare"),
        env!("CARGO_BIN_EXE_workerpool"),
    ] {
        let finished = run(program(path, 1).arg("--help"));
        let help = String::from_utf8(finished.stdout).expect("help is UTF-8");
        assert!(help.contains("\nUsage: "), "{path} --help prints: {help}");
        assert!(finished.status.success());
        refuses(
            path,
            &["--no-such-option"],
            "unexpected argument '--no-such-option'",
        );
    }
}
