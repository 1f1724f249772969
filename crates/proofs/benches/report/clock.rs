//! Processor time and wall time of repeated work.

use std::{hint::black_box, time::Instant};

/// Medians, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Time {
    /// Processor time of all threads of this process.
    pub(crate) processor: f64,
    /// Wall time.
    pub(crate) wall: f64,
}

impl Time {
    /// Divided among so many pieces of work.
    pub(crate) fn each(self, pieces: u32) -> Self {
        Self { processor: self.processor / f64::from(pieces), wall: self.wall / f64::from(pieces) }
    }
}

/// The median of some samples, each long enough that what reads the clocks does not matter.
pub(crate) fn median<T>(samples: usize, mut work: impl FnMut() -> T) -> Time {
    let start = Instant::now();
    black_box(work());
    let once = start.elapsed().as_secs_f64() * 1e3;
    // At least 200 ms, unless one call is longer.
    let repetitions = (200.0 / once.max(1e-6)).clamp(1.0, 1e6);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between one and a million")]
    let repetitions = repetitions as u32;
    let times: Vec<Time> = (0..samples)
        .map(|_| {
            let (processor, wall) = (processor_ms(), Instant::now());
            for _ in 0..repetitions {
                black_box(work());
            }
            Time { processor: processor_ms() - processor, wall: wall.elapsed().as_secs_f64() * 1e3 }
                .each(repetitions)
        })
        .collect();
    let middle = |pick: fn(&Time) -> f64| {
        let mut values: Vec<f64> = times.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values.get(samples / 2).copied().unwrap_or_default()
    };
    Time { processor: middle(|time| time.processor), wall: middle(|time| time.wall) }
}

/// Milliseconds all threads of this process have run, those that have ended included.
pub(crate) fn processor_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "days in nanoseconds are far below 2^52")]
    let nanoseconds = time.tv_nsec as f64;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a process")]
    let seconds = time.tv_sec as f64;
    seconds * 1e3 + nanoseconds / 1e6
}
