//! What is printed, and what the kernel says of a process.

use std::time::Duration;

use anyhow::Result;

/// Processor time of a process so far, in seconds; the kernel counts in hundredths.
///
/// # Errors
/// There is no such process.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or("0").parse::<u32>();
    Ok(f64::from(field(11)? + field(12)?) / 100.0)
}

/// The value that `percent` of the sorted ones do not exceed; nothing for none.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// A duration in milliseconds.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "a measuring program prints what it measured")]
pub fn say(text: impl core::fmt::Display) {
    println!("{text}");
}
