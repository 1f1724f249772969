//! What the whole-system stories are told with: people who use the real `kith` command, each with a home of their own,
//! and a server that can be killed and started again.
//!
//! The stories are in `tests/`, one file each. Nothing here waits for a fixed time: [`until`] asks again and again for
//! something that can be observed, and gives up after a bound.

mod binary;
mod needles;
mod people;
mod running;
mod server;
mod stage;
mod tee;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

pub use needles::{Needles, files_below};
pub use people::{Kith, Ran};
pub use running::Running;
pub use server::{Server, free_port};
pub use stage::{Stage, cache_folder};
pub use tee::Tee;

/// How long anything may take to show itself. Far more than it needs: a test that fails should fail for its reason and
/// not for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks `look` until it sees something.
///
/// # Errors
/// What `look` fails with, and a description of what did not come when [`PATIENCE`] is over.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if begun.elapsed() > PATIENCE {
            bail!("this did not come: {what}");
        }
        sleep(Duration::from_millis(10));
    }
}
