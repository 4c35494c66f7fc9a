//! Holding a worker still, so that another thread can read what its goroutines do.
//!
//! A worker changes its goroutines' records in its loop only, between two runs. While a goroutine
//! runs, or while the worker sleeps, all others of that worker are at rest. So to read them it is
//! enough to keep the worker from entering its loop again, which is what a *hold* does: the
//! goroutine that runs goes on undisturbed until it next waits.
//!
//! A worker passes its gate at every switch, and a hold is taken once in a blue moon. So the
//! worker pays nothing but two plain stores and a load; the fence that this protocol needs on both
//! sides is made for both by the holder, which has the kernel interrupt the other threads
//! (`membarrier`). Where that is not to be had the worker makes its fence itself.

use crate::wait::asymmetric;
use crate::wait::atomic::{AtomicUsize, Ordering, fence, spin_loop, yield_now};
use std::sync::atomic::compiler_fence;
use std::time::{Duration, Instant};

/// What a worker is doing, as far as others may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not begun, or has ended.
    Gone,
    /// It changes its records.
    Loop,
    /// A goroutine runs.
    Run,
    /// It waits for work.
    Asleep,
    /// It waits at the gate.
    Held,
}

const PHASES: [Phase; 5] = [
    Phase::Gone,
    Phase::Loop,
    Phase::Run,
    Phase::Asleep,
    Phase::Held,
];
/// The bits of the word that hold the phase; above them stands the number of the run.
const PHASE_BITS: u32 = 3;

/// The highest bit of `holds`: the worker makes its fence itself.
const FENCE: usize = 1 << (usize::BITS - 1);

/// How long a holder waits for a worker to come out of its loop.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module's text.
pub(super) struct Gate {
    /// The phase, and the number of the run.
    word: AtomicUsize,
    /// How many hold the worker still; and [`FENCE`].
    holds: AtomicUsize,
}

impl Gate {
    pub(super) fn new() -> Self {
        let holds = if asymmetric::is_available() { 0 } else { FENCE };
        Gate {
            word: AtomicUsize::new(Phase::Gone as usize),
            holds: AtomicUsize::new(holds),
        }
    }

    // ----- the worker's side --------------------------------------------------------------

    /// The worker does something else from now on.
    #[inline(always)]
    pub(super) fn enter(&self, phase: Phase, run: u64) {
        self.word.store(word(phase, run), Ordering::Release);
    }

    /// The worker is back in its loop, unless someone holds it still: then it is when they let go.
    #[inline(always)]
    pub(super) fn enter_loop(&self, run: u64) {
        self.word.store(word(Phase::Loop, run), Ordering::Relaxed);
        // The processor's fence is the holder's part.
        compiler_fence(Ordering::SeqCst);
        if self.holds.load(Ordering::Relaxed) != 0 {
            self.wait(run);
        }
    }

    #[cold]
    fn wait(&self, run: u64) {
        loop {
            fence(Ordering::SeqCst);
            if self.holds.load(Ordering::Acquire) & !FENCE == 0 {
                return;
            }
            self.enter(Phase::Held, run);
            while self.holds.load(Ordering::Acquire) & !FENCE != 0 {
                yield_now();
            }
            self.word.store(word(Phase::Loop, run), Ordering::Relaxed);
        }
    }

    // ----- the other side -----------------------------------------------------------------

    /// The phase and the number of the run, as of a moment ago.
    pub(super) fn glimpse(&self) -> (Phase, usize) {
        parts(self.word.load(Ordering::Relaxed))
    }

    /// Calls `read` while the worker is held still, if there is a worker. `false`: it did not come
    /// out of its loop in time, or the kernel does not let this process hold it.
    pub(super) fn hold(&self, read: impl FnOnce(Phase)) -> bool {
        let Some(_hold) = Hold::take(&self.holds) else {
            return false;
        };
        let mut began = None;
        loop {
            // What the worker wrote in its loop is visible to whoever sees it leave.
            match parts(self.word.load(Ordering::Acquire)).0 {
                Phase::Gone => return true,
                Phase::Loop => {
                    spin_loop();
                    yield_now();
                    if began.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return false;
                    }
                }
                phase => {
                    read(phase);
                    return true;
                }
            }
        }
    }
}

fn word(phase: Phase, run: u64) -> usize {
    // The number may lose its upper bits: it is compared with a recent one only.
    ((run as usize) << PHASE_BITS) | phase as usize
}

fn parts(word: usize) -> (Phase, usize) {
    let phase = word & ((1 << PHASE_BITS) - 1);
    (PHASES[phase], word >> PHASE_BITS)
}

/// One count of a gate's holds.
struct Hold<'a>(&'a AtomicUsize);

impl<'a> Hold<'a> {
    fn take(holds: &'a AtomicUsize) -> Option<Self> {
        holds.fetch_add(1, Ordering::SeqCst);
        let hold = Hold(holds);
        // If it is passed, a worker that leaves a run from here on finds the hold.
        asymmetric::heavy().then_some(hold)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::UnsafeCell;
    use std::sync::atomic::AtomicBool;

    struct Pair(UnsafeCell<(u64, u64)>);
    // SAFETY: touched by the worker in its loop, and by others while they hold it still.
    unsafe impl Sync for Pair {}

    /// The worker writes two numbers one after the other; a holder must never see them differ.
    fn nobody_reads_what_the_worker_writes(gate: &Gate) {
        let (pair, stop) = (Pair(UnsafeCell::new((0, 0))), AtomicBool::new(false));
        let pair = &pair;
        std::thread::scope(|s| {
            s.spawn(|| {
                let mut run = 0;
                while !stop.load(Ordering::Relaxed) {
                    gate.enter_loop(run);
                    run += 1;
                    // SAFETY: only written here, in the loop.
                    unsafe {
                        (*pair.0.get()).0 = run;
                        (*pair.0.get()).1 = run;
                    }
                    gate.enter(
                        if run % 3 == 0 {
                            Phase::Asleep
                        } else {
                            Phase::Run
                        },
                        run,
                    );
                }
                gate.enter_loop(run);
                gate.enter(Phase::Gone, run);
            });
            let holders = [(); 2].map(|()| {
                s.spawn(|| {
                    let mut last = 0;
                    for _ in 0..20_000 {
                        let was_held = gate.hold(|_| {
                            // SAFETY: the worker is held still.
                            let (first, second) = unsafe { *pair.0.get() };
                            assert_eq!(first, second);
                            assert!(first >= last);
                            last = first;
                        });
                        assert!(was_held);
                    }
                })
            });
            for holder in holders {
                holder.join().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(gate.hold(|_| panic!("there is no worker")));
    }

    #[test]
    fn a_held_worker_changes_nothing() {
        nobody_reads_what_the_worker_writes(&Gate::new());
    }

    #[test]
    fn a_held_worker_changes_nothing_where_it_makes_its_own_fence() {
        let mut gate = Gate::new();
        gate.holds = AtomicUsize::new(FENCE);
        nobody_reads_what_the_worker_writes(&gate);
    }

    #[test]
    fn a_glimpse_tells_phase_and_run() {
        let gate = Gate::new();
        assert_eq!(gate.glimpse(), (Phase::Gone, 0));
        gate.enter(Phase::Run, 7);
        assert_eq!(gate.glimpse(), (Phase::Run, 7));
    }
}
