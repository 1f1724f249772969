//! Every bound of the protocol, in one place.

/// Version of the protocol in every head.
pub const VERSION: u32 = 1;
/// Longest encoded frame, in bytes: a full Heal of 64 changes with a 64 KiB payload fits.
pub const MAX_FRAME: usize = 256 * 1024;
/// Longest head, in bytes.
pub const MAX_HEAD: usize = 96 * 1024;
/// Longest sealed part, in bytes: the largest payload, its header and tags.
pub const MAX_SEALED: usize = MAX_PAYLOAD + 256;
/// Longest padded payload, in bytes.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// Smallest padded payload, in bytes; larger ones are this times a power of two.
pub const MIN_PADDED: usize = 256;
/// Branch changes in one frame.
pub const MAX_CHANGES: usize = 64;
/// Leaves marked by one frame.
pub const MAX_MARKS: usize = 64;
/// Open tickets of a group.
pub const MAX_TICKETS: usize = 32;
/// Uses one ticket may have at most.
pub const MAX_TICKET_USES: u32 = 1_024;
/// Invited leaves one doer may have outstanding.
pub const MAX_INVITES_PER_DOER: usize = 256;
/// Levels of the deepest supported tree below its root: 2^31 slots never occur, indices stay in `u32`.
pub const MAX_DEPTH: u32 = 24;
/// Length of a compressed Groth16 proof, in bytes.
pub const PROOF_LEN: usize = 128;
/// Epochs back for which messages are still accepted.
pub const MESSAGE_EPOCHS: u64 = 2;
/// Farthest an invite or a ticket may expire after the operation that makes it, in seconds (30 days).
pub const MAX_INVITE_TTL: u64 = 30 * 24 * 3600;
