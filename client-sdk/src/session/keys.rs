//! Message keys of one epoch, and who could send in it.

use std::collections::BTreeMap;

use curve::TreeSecret;
use e2ee::{
    message::MessageKeys,
    schedule::{EpochSecrets, InitSecret, JoinerSecret},
};
use group_state::GroupState;
use protocol::{Epoch, LeafId, OpDigest, Refusal, Slot, Transcript};

use super::{Schedule, SessionError, active_of};

/// What opening and sealing messages of one epoch takes.
pub(crate) struct EpochKeys {
    pub(crate) epoch: Epoch,
    /// Transcript of the epoch's state: every payload's signature covers it.
    pub(crate) transcript: Transcript,
    /// Slots that were Active; a message from any other is refused.
    pub(crate) active: BTreeMap<Slot, LeafId>,
    pub(crate) keys: MessageKeys,
}

/// The secrets of a state, split by use.
pub(crate) struct NewEpoch {
    pub(crate) schedule: Schedule,
    pub(crate) keys: EpochKeys,
}

impl NewEpoch {
    /// Derives all secrets of `fold`'s epoch from its joiner secret.
    pub(crate) fn derive(fold: &GroupState, joiner: &JoinerSecret) -> Result<Self, SessionError> {
        let EpochSecrets { init, sender_data, message_root, exporter, authenticator, membership } =
            joiner.epoch(&fold.ctx());
        let capacity = fold.tree().capacity().get();
        let keys = MessageKeys::new(fold.suite(), sender_data, message_root, capacity)
            .map_err(|_| SessionError::Refused(Refusal::GroupFull))?;
        Ok(Self {
            schedule: Schedule { init, authenticator, exporter, membership },
            keys: EpochKeys {
                epoch: fold.epoch(),
                transcript: fold.transcript(),
                active: active_of(fold),
                keys,
            },
        })
    }
}

/// The joiner secret of the epoch an operation begins.
///
/// `root` is the root secret after the operation. An operation that carries E starts from it; all others continue
/// from the init secret of the epoch before.
pub(crate) fn joiner(init: &InitSecret, root: &TreeSecret, op_digest: &OpDigest) -> JoinerSecret {
    JoinerSecret::derive(init, root, None, op_digest)
}
