//! How long work takes lately, to say when to come again.

use std::time::Duration;

/// Weight of what was known before, in units of work.
const MEMORY: f64 = 256.0;
/// Longest wait that is asked for, in seconds: by then everything may be different.
const LONGEST: u32 = 30;

/// A moving average of the time one unit of work takes on one worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    seconds_per_unit: f64,
}

impl Pace {
    /// A pace that is guessed until there is experience.
    pub(super) const fn guess(seconds_per_unit: f64) -> Self {
        Self { seconds_per_unit }
    }

    /// Learns that `units` took so long.
    pub(super) fn learn(&mut self, units: usize, took: Duration) {
        let units = float(units);
        if units > 0.0 {
            let share = units / (units + MEMORY);
            self.seconds_per_unit += share * (took.as_secs_f64() / units - self.seconds_per_unit);
        }
    }

    /// Seconds until `workers` have done `units`, at least 1 and at most 30.
    pub(super) fn wait(&self, units: usize, workers: usize) -> u32 {
        let seconds = self.seconds_per_unit * float(units) / float(workers.max(1));
        // The first whole second that is not too early, without a conversion that could cut off.
        (1..LONGEST).find(|whole| f64::from(*whole) >= seconds).unwrap_or(LONGEST)
    }
}

fn float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_work_by_workers_within_bounds() {
        let pace = Pace::guess(0.01);
        for (units, workers, seconds) in [
            (0, 1, 1),
            (100, 1, 1),
            (101, 1, 2),
            (450, 1, 5),
            (450, 2, 3),
            (10_000, 1, 30),
            (usize::MAX, 0, 30),
        ] {
            assert_eq!(pace.wait(units, workers), seconds, "{units} by {workers}");
        }
    }

    #[test]
    fn experience_replaces_the_guess() {
        let mut pace = Pace::guess(1.0);
        pace.learn(0, Duration::from_secs(9));
        assert_eq!(pace.wait(20, 1), 20);
        for _ in 0..100 {
            pace.learn(64, Duration::from_millis(64));
        }
        assert_eq!(pace.wait(1_990, 1), 2);
        // A single slow job among many does not change the picture.
        pace.learn(1, Duration::from_millis(100));
        assert_eq!(pace.wait(1_990, 1), 3);
    }
}
