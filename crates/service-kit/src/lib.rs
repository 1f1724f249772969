//! What every service repeats: configuration, logs, metrics, shutdown, clock.
