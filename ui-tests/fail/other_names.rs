//! What has another name in Go or in the standard library: the compiler tells ours.

fn main() {
    gochan::Gosched();
    gochan::bounded::<u32>(1);
    gochan::runtime::GOMAXPROCS();
    let _: gochan::sync::Condvar;
    let _: gochan::sync::RWMutex<u32>;
}
