//! What the scenarios are told with: a club that makes frames, and a node to send them to.

pub mod club;
pub mod nats;
pub mod prover;
pub mod site;
pub mod stream;

pub use club::{Club, Made, START};
pub use nats::Broker;
pub use site::{Reply, Site, SiteOptions, generous};
pub use stream::Stream;
