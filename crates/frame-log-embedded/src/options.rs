//! Settings, all with a default that suits one node on one disk.

/// What to do when the journal is damaged before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnDamage {
    /// Refuse to open. The right answer while there is a backup or another copy.
    #[default]
    Refuse,
    /// Keep everything before the damage, set the rest aside in files named `*.damaged`, and go on from there.
    ///
    /// Acknowledged records after the damage are lost, and their positions will be given out again: clients that saw
    /// them must be told that the log was cut.
    KeepBefore,
}

/// How an [`EmbeddedFrameLog`](crate::EmbeddedFrameLog) uses its machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Free bytes on the disk below which nothing that grows the log is accepted.
    ///
    /// It leaves room to finish what is already accepted: at least two memtables.
    pub free_space_floor: u64,
    /// Length of a journal segment, in bytes, allocated when it is made and used again when it is done.
    pub segment_bytes: u64,
    /// Bytes the tree keeps in memory before it writes a table; up to three times as many may be in memory.
    pub memtable_bytes: u64,
    /// Bytes of tables cached in memory.
    pub cache_bytes: u64,
    /// Requests that may wait for the writer; more make their callers wait.
    pub queue_len: usize,
    /// Requests that share one sync at most.
    pub max_group: usize,
    /// What to do when the journal is damaged before its end.
    pub on_damage: OnDamage,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            free_space_floor: 64 << 20,
            segment_bytes: 32 << 20,
            memtable_bytes: 32 << 20,
            cache_bytes: 64 << 20,
            queue_len: 1_024,
            max_group: 256,
            on_damage: OnDamage::Refuse,
        }
    }
}
