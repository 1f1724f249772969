//! What every service repeats: settings, logs, metrics, shutdown, supervision, clock, HTTP manners.
//!
//! A service's `main` reads [`config`], starts [`logging`], makes a [`shutdown::Shutdown`] and a [`tasks::Tasks`], and
//! serves a router wrapped by [`http::Stack`] with [`http::serve`]. This crate knows nothing of groups, frames or
//! drops, and it must never write an address, a token, a key or a body to a log or a metric.
//!
//! Start with [`config::load`] and [`http::Stack`].

pub mod clock;
pub mod config;
pub mod health;
pub mod http;
pub mod limiter;
pub mod logging;
pub mod metrics;
pub mod shutdown;
pub mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
