//! What the faults are staged with.

mod carried;
mod metrics;
mod relay;
mod stage;
mod writers;

use std::time::{Duration, Instant};

pub(crate) use carried::{Carried, stream};
pub(crate) use relay::Relay;
pub(crate) use stage::{DATABASE, Stage};
pub(crate) use writers::Writers;

/// How long anything may take to show itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a repeated fault is repeated.
pub(crate) fn cycles(usual: usize) -> usize {
    std::env::var("KITH_FAULT_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(usual)
}

/// Asks until something can be seen, and says how long that took.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !look().await {
        assert!(begun.elapsed() < PATIENCE, "this did not come: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

/// Shows a figure for `docs/src/measurements/faults.md`; it is not asserted.
#[allow(clippy::print_stdout, reason = "what is shown with --nocapture")]
pub(crate) fn figure(what: &str, took: Duration) {
    println!("figure: {what}: {} ms", took.as_millis());
}
