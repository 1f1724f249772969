//! Real servers for tests, and the faults they must survive.
//!
//! `scripts/servers` installs pinned servers under `target/servers`; this crate starts them on free loopback ports,
//! kills them, pauses them, brings them back on the same port and folder, and takes their folders away. [`Process`] does
//! the same for programs of this repository. [`Proxy`] stands between a client and a server and is a bad network;
//! [`Ledger`] remembers what was acknowledged and says what is missing, repeated, out of order or altered in what was
//! then observed.
//!
//! A dev-dependency only. It knows no client library: a server's own protocol is the business of the crate under test.
//! Start reading at [`Process`].

mod caddy;
mod centrifugo;
pub mod chromium;
mod clock;
mod installed;
pub mod ledger;
mod log;
mod mongo;
pub mod nats;
mod port;
pub mod postgres;
mod process;
pub mod proxy;
mod s3;
mod server;
mod watchdog;

pub use caddy::Caddy;
pub use centrifugo::Centrifugo;
pub use chromium::Chromium;
pub use clock::Clock;
pub use installed::installed;
pub use ledger::{Entry, Ledger};
pub use mongo::{Mongo, MongoJava, replica_set};
pub use nats::Nats;
pub use port::Port;
pub use postgres::Postgres;
pub use process::{PATIENCE, Process, Program, Ready};
pub use proxy::{Network, Proxy};
pub use s3::S3;
pub use server::Server;
