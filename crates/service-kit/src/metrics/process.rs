//! What the operating system says of this process. Read from `/proc`; elsewhere there is nothing.

use core::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

/// Collects when asked.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            let field = |name: &str| {
                let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
                rest.split_whitespace().next()?.parse::<i64>().ok()
            };
            if let Some(kib) = field("VmRSS:") {
                let help = "Memory the process has in RAM, in bytes";
                super::gauge(&mut encoder, "process_resident_memory_bytes", help, kib.saturating_mul(1024))?;
            }
            if let Some(threads) = field("Threads:") {
                super::gauge(&mut encoder, "process_threads", "Threads of the process", threads)?;
            }
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            // One of the entries is the listing itself.
            let open = i64::try_from(entries.count()).unwrap_or(i64::MAX).saturating_sub(1);
            super::gauge(&mut encoder, "process_open_fds", "Open file descriptors", open)?;
        }
        if let Some(seconds) = processor_seconds() {
            let help = "Processor time used, in seconds";
            super::counter(&mut encoder, "process_cpu_seconds", help, seconds)?;
        }
        Ok(())
    }
}

/// User and system time, from fields 14 and 15 of `/proc/self/stat`, which Linux counts in hundredths of a second.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may contain spaces and parentheses; nothing after the last one does.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok().map(f64::from);
    Some((ticks()? + ticks()?) / 100.0)
}
