//! What a node keeps its data in.

mod open;

use std::sync::Arc;

use frame_log::{FrameLog, Mailboxes, Meta};

pub use open::{OpenStore, OpenStoreError};

/// Everything a node stores: frames, key packages and a few values about itself.
///
/// Implemented by whatever implements the three contracts; which one it is, the node never asks.
pub trait Store: FrameLog + Mailboxes + Meta {}

impl<T: FrameLog + Mailboxes + Meta> Store for T {}

/// A store shared by all parts of a node.
pub type SharedStore = Arc<dyn Store>;
