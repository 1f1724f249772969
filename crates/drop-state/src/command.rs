//! What can be asked of a drop, and what is answered.

use core::ops::Range;

use thiserror::Error;

use crate::{BodyId, Millis, TokenHash};

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make it.
    Create(Box<Create>),
    /// A piece of the body was stored. `bytes` is where in the body it stands.
    Append {
        /// Hash of the upload's token.
        upload: TokenHash,
        /// Begins where the body ended so far.
        bytes: Range<u64>,
        /// When the upload ends if nothing more comes.
        deadline: Millis,
    },
    /// The body is complete as it is.
    Finish {
        /// Hash of the upload's token.
        upload: TokenHash,
    },
    /// How far has the upload come?
    Progress {
        /// Hash of the upload's token.
        upload: TokenHash,
    },
    /// Is it there? Changes nothing.
    Look {
        /// Who asks.
        reader: Reader,
    },
    /// Reserve it for a reader.
    Claim {
        /// Who asks.
        reader: Reader,
        /// Hash of the token the reader has chosen for this claim.
        by: TokenHash,
        /// Milliseconds the claim lasts without a sign of the reader.
        lease: u64,
    },
    /// The holder of a claim is about to be sent these bytes. Past the end of the body there is nothing to give.
    Give {
        /// Hash of the claim's token.
        by: TokenHash,
        /// Bytes about to be sent.
        bytes: Range<u64>,
        /// Milliseconds the claim lasts from here.
        lease: u64,
    },
    /// Claim, give everything and, where the bytes are beside the record, erase, at once.
    Take {
        /// Who asks.
        reader: Reader,
        /// Hash of a token made for the length of this request.
        by: TokenHash,
        /// Milliseconds the body may still be read with that token.
        lease: u64,
        /// Only if it is a text.
        text: bool,
    },
    /// A reader does not want it after all.
    GiveBack {
        /// Hash of the claim's token.
        by: TokenHash,
    },
    /// A reader has it.
    Confirm {
        /// Hash of the claim's token.
        by: TokenHash,
    },
    /// The creator does not want it to be read (any more).
    Delete {
        /// Hash of the creator's token, or of the upload's.
        by: TokenHash,
    },
    /// Nobody wants anything; time has passed.
    Settle,
}

/// A drop to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Where its bytes are or will be.
    pub body: BodyId,
    /// How many there are, or will be.
    pub size: Size,
    /// Whether the bytes are kept beside the record.
    pub inline: bool,
    /// Whether they are a text.
    pub text: bool,
    /// Sealed info, at most [`crate::MAX_INFO`] bytes.
    pub info: Vec<u8>,
    /// Hash of the token a reader has to show.
    pub access: Option<TokenHash>,
    /// Hash of the token a reader has to show besides.
    pub unlock: Option<TokenHash>,
    /// Hash of the creator's token.
    pub deleter: TokenHash,
    /// Hash of the upload's token.
    pub upload: Option<TokenHash>,
    /// When it ends.
    pub expires: Millis,
}

/// What is known of a body when a drop is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// It is there, so many bytes.
    Complete(u64),
    /// It will come, so many bytes if that was said.
    Coming {
        /// How many there will be.
        whole: Option<u64>,
        /// When the upload ends if nothing comes.
        deadline: Millis,
    },
}

/// What a reader shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reader {
    /// Hash of its access token.
    pub access: Option<TokenHash>,
    /// Hash of its unlock token.
    pub unlock: Option<TokenHash>,
}

/// What is told of a drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Bytes of its body.
    pub size: u64,
    /// Whether it is a text.
    pub text: bool,
    /// Whether its bytes are beside the record.
    pub inline: bool,
    /// Sealed info.
    pub info: Vec<u8>,
    /// When it ends.
    pub expires: Millis,
    /// Whether a password is needed.
    pub locked: bool,
    /// Whether nobody but the holder of the present claim will ever read it.
    pub is_final: bool,
}

/// Leave to send bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// Where they are.
    pub body: BodyId,
    /// Whether they are beside the record.
    pub inline: bool,
    /// Whether they are a text.
    pub text: bool,
    /// Bytes of the whole body.
    pub size: u64,
    /// Whether the record was erased with this answer, so that nothing has to be confirmed.
    pub erased: bool,
}

/// What is answered to a command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was made.
    Created(View),
    /// It had been made by the same creator before; nothing was changed.
    Existed(View),
    /// To `Append`, `Finish` and `Progress`.
    Progress {
        /// Bytes that are there.
        offset: u64,
        /// Bytes there will be, if that was said.
        whole: Option<u64>,
        /// Whether it is complete.
        complete: bool,
        /// Where the bytes go.
        body: BodyId,
        /// When the upload or, if it is complete, the drop ends.
        ends: Millis,
        /// Pieces received.
        segments: u32,
    },
    /// It is there.
    Seen(View),
    /// It is the reader's.
    Claimed {
        /// What it is.
        view: View,
        /// Until when, if the reader gives no sign.
        until: Millis,
    },
    /// Bytes may be sent.
    Given(Given),
    /// It was carried out and there is nothing to tell.
    Done,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing to be had: never there, over, somebody else's, not complete, or not with these tokens.
    #[error("there is nothing to be had under this id")]
    Gone,
    /// The id is taken by somebody else's drop.
    #[error("the id is in use")]
    Exists,
    /// The access token is right, the unlock token is wrong or missing.
    #[error("the password is wrong")]
    WrongPassword {
        /// Attempts that are left.
        left: u8,
    },
    /// It is not a text.
    #[error("the drop is not a text")]
    NotText,
    /// A piece that does not begin where the body ends.
    #[error("the upload stands at another offset")]
    Offset {
        /// Where it ends.
        at: u64,
    },
    /// A piece that reaches over the end that was announced, or one too many.
    #[error("the upload is longer than announced, or in too many pieces")]
    TooLong,
}
