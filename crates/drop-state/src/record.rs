//! What there is about a drop.

use crate::{BodyId, Millis, Slices, TokenHash, View};

/// Longest sealed info, in bytes.
pub const MAX_INFO: usize = 1024;
/// Most pieces a body may have been received in.
pub const MAX_SEGMENTS: u32 = 16 * 1024;
/// Wrong unlock tokens after which a drop is erased.
pub const MAX_WRONG: u8 = 10;

/// A drop, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where its bytes are.
    pub body: BodyId,
    /// Bytes of the body; while it is uploaded, those that are there.
    pub size: u64,
    /// Whether the bytes are kept beside the record rather than outside the database.
    pub inline: bool,
    /// Whether the bytes are a text, which can be had as a document.
    pub text: bool,
    /// Sealed info for readers, at most [`MAX_INFO`] bytes.
    pub info: Vec<u8>,
    /// Hash of the token a reader has to show.
    pub access: Option<TokenHash>,
    /// Hash of the token a reader has to show besides, which takes a password to make.
    pub unlock: Option<TokenHash>,
    /// Wrong ones that were shown by readers with the right access token.
    pub wrong: u8,
    /// Hash of the creator's token.
    pub deleter: TokenHash,
    /// Hash of the token of the upload it came by.
    pub upload: Option<TokenHash>,
    /// When it ends, read or not.
    pub expires: Millis,
    /// What was given to readers so far, whichever.
    pub given: Slices,
    /// Where it is in its life.
    pub stage: Stage,
}

/// Where a drop is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Bytes arrive; `size` says how many there are.
    Uploading {
        /// How many there will be, if that was said.
        whole: Option<u64>,
        /// Pieces received.
        segments: u32,
        /// When the upload ends if nothing comes.
        deadline: Millis,
    },
    /// Complete, and nobody's.
    Ready,
    /// Somebody reads it.
    Claimed {
        /// Hash of the reader's claim token.
        by: TokenHash,
        /// Until when, if it is not renewed.
        until: Millis,
    },
}

impl Record {
    /// Whether a reader was given the last missing part, so that there will be no other reader.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.given.covers(Slices::all(self.size)) && !matches!(self.stage, Stage::Uploading { .. })
    }

    /// What is told of it.
    pub(crate) fn view(&self) -> View {
        View {
            size: self.size,
            text: self.text,
            inline: self.inline,
            info: self.info.clone(),
            expires: self.expires,
            locked: self.unlock.is_some(),
            is_final: self.is_final(),
        }
    }

    /// What is told to a creator that makes copies of it; `None` for everybody else, and before it is complete.
    #[must_use]
    pub fn shareable(&self, deleter: &TokenHash) -> Option<View> {
        let complete = !matches!(self.stage, Stage::Uploading { .. });
        (self.deleter == *deleter && complete).then(|| self.view())
    }

    /// Another drop of the same body, for a reader of its own.
    #[must_use]
    pub fn copy(&self, info: Vec<u8>, access: Option<TokenHash>, unlock: Option<TokenHash>) -> Self {
        Self {
            info,
            access,
            unlock,
            wrong: 0,
            upload: None,
            given: Slices::NONE,
            stage: Stage::Ready,
            ..self.clone()
        }
    }
}
