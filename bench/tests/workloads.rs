//! Every workload runs to its end, whatever the number of workers.

use std::sync::mpsc;
use std::time::Duration;

use bench::comparison::measure_ours;
use bench::measure::Extent;
use bench::workloads::WORKLOADS;

/// Aborts the process when the test takes too long, naming the workload that runs.
fn watched(limit: Duration, test: impl FnOnce(&mpsc::Sender<String>)) {
    let (progress, watched) = mpsc::channel::<String>();
    let watchdog = std::thread::spawn(move || {
        let mut running = String::from("the first workload");
        loop {
            match watched.recv_timeout(limit) {
                Ok(next) => running = next,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    eprintln!("{running} hangs");
                    std::process::abort();
                }
            }
        }
    });
    test(&progress);
    drop(progress);
    watchdog.join().expect("the watchdog only waits");
}

#[test]
fn workloads_end() {
    watched(Duration::from_secs(60), |progress| {
        for workload in WORKLOADS {
            for workers in [1, 2, 3] {
                progress
                    .send(format!("{} with {workers} workers", workload.name))
                    .expect("the watchdog listens");
                let line = measure_ours(
                    workload.name,
                    workers,
                    Extent::Time(Duration::from_millis(2)),
                )
                .unwrap();
                assert_eq!((line.name.as_str(), line.workers), (workload.name, workers));
                assert!(line.measurement.nanos_per_op > 0.0, "{line}");
            }
        }
    });
}
