//! What stays in memory: alone in its process, because it is the process that is measured.

use ctxsvc::Ctx;

#[test]
fn contexts_that_are_dropped_leave_nothing_in_their_parent() {
    let (parent, _guard) = Ctx::root().cancellable();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let before = resident_kib();
    runtime.block_on(async {
        for _ in 0..200_000 {
            let (child, _guard) = parent.cancellable();
            let mut waiting = tokio_test::task::spawn(child.done());
            assert!(waiting.poll().is_pending());
        }
    });
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "grown by {grown} KiB");
}

/// Linux tells; elsewhere there is nothing to compare.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
