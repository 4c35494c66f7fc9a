//! Runs every example as a user would, on one worker and on two, and compares
//! what it prints with what it should.

mod child;
mod go_originals;
#[cfg(target_os = "linux")]
mod md5all;
mod printed;
