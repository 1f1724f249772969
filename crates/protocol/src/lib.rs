//! Bytes of the protocol: ids, frames, digests, signatures, canonical encoding.
