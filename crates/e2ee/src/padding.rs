//! Padding to buckets, so that a length says little.
//!
//! `u32 length (big-endian) ‖ plaintext ‖ zeros`, to the smallest bucket of 256·2^k bytes, at most 64 KiB. Unpadding
//! accepts what padding makes and nothing else.

use protocol::limits::{MAX_PAYLOAD, MIN_PADDED};
use zeroize::Zeroizing;

use crate::{OpenError, SealError};

const PREFIX_LEN: usize = 4;

/// Longest plaintext, in bytes: the largest bucket less the length prefix.
pub const MAX_PLAINTEXT: usize = MAX_PAYLOAD - PREFIX_LEN;

/// Bytes a plaintext of `len` bytes is padded to.
///
/// # Errors
/// [`SealError::TooLong`] above [`MAX_PLAINTEXT`].
pub const fn padded_len(len: usize) -> Result<usize, SealError> {
    bucket(len, MIN_PADDED)
}

/// Pads a plaintext to its bucket.
///
/// # Errors
/// [`SealError::TooLong`] above [`MAX_PLAINTEXT`].
pub fn pad(plaintext: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    pad_at_least(plaintext, MIN_PADDED)
}

/// Gives back the plaintext of a padded one.
///
/// # Errors
/// [`OpenError::Length`] for a length that is no bucket, [`OpenError::Padding`] for a length prefix that does not
/// belong to this bucket or a byte other than zero behind the plaintext.
pub fn unpad(padded: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    unpad_at_least(padded, MIN_PADDED)
}

/// As [`pad`], with a smallest bucket of `floor` bytes.
pub(crate) fn pad_at_least(plaintext: &[u8], floor: usize) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let bucket = bucket(plaintext.len(), floor)?;
    let mut out = Zeroizing::new(Vec::with_capacity(bucket));
    out.extend_from_slice(&u32::try_from(plaintext.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(plaintext);
    out.resize(bucket, 0);
    Ok(out)
}

/// As [`unpad`], for [`pad_at_least`].
pub(crate) fn unpad_at_least(padded: &[u8], floor: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if padded.len() > MAX_PAYLOAD || padded.len() < MIN_PADDED {
        return Err(OpenError::Length);
    }
    let (prefix, rest) = padded.split_first_chunk::<PREFIX_LEN>().ok_or(OpenError::Length)?;
    let len = usize::try_from(u32::from_be_bytes(*prefix)).map_err(|_| OpenError::Padding)?;
    if bucket(len, floor) != Ok(padded.len()) {
        return Err(OpenError::Padding);
    }
    let (plaintext, zeros) = rest.split_at_checked(len).ok_or(OpenError::Padding)?;
    if zeros.iter().fold(0, |seen, byte| seen | byte) != 0 {
        return Err(OpenError::Padding);
    }
    Ok(Zeroizing::new(plaintext.to_vec()))
}

const fn bucket(len: usize, floor: usize) -> Result<usize, SealError> {
    if len > MAX_PLAINTEXT {
        return Err(SealError::TooLong { len, max: MAX_PLAINTEXT });
    }
    let mut bucket = floor;
    while bucket < len + PREFIX_LEN {
        bucket *= 2;
    }
    Ok(bucket)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_powers_of_two_times_256() {
        let cases = [(0, 256), (252, 256), (253, 512), (508, 512), (509, 1024), (65_532, 65_536)];
        for (len, padded) in cases {
            assert_eq!(padded_len(len), Ok(padded), "{len}");
            assert_eq!(pad(&vec![1; len]).unwrap().len(), padded);
        }
        assert_eq!(padded_len(65_533), Err(SealError::TooLong { len: 65_533, max: 65_532 }));
    }

    #[test]
    fn form_is_fixed() {
        let padded = pad(b"abc").unwrap();
        assert_eq!(padded[..7], *b"\0\0\0\x03abc");
        assert!(padded[7..].iter().all(|b| *b == 0));
    }

    #[test]
    fn nothing_else_is_accepted() {
        let good = pad(b"abc").unwrap();
        let mut dirty = good.clone();
        dirty[255] = 1;
        assert_eq!(unpad(&dirty), Err(OpenError::Padding));
        let mut long = good.clone();
        long[2] = 1;
        assert_eq!(unpad(&long), Err(OpenError::Padding), "259 bytes belong into the next bucket");
        let mut wide = good.to_vec();
        wide.resize(512, 0);
        assert_eq!(unpad(&wide), Err(OpenError::Padding), "a bucket larger than needed");
        assert_eq!(unpad(&good[..255]), Err(OpenError::Length));
        assert_eq!(unpad(&[]), Err(OpenError::Length));
        assert_eq!(unpad(&vec![0; 131_072]), Err(OpenError::Length));
        let huge = [&[0xff; 4][..], &[0; 252]].concat();
        assert_eq!(unpad(&huge), Err(OpenError::Padding));
    }

    proptest! {
        #[test]
        fn round_trip(plaintext in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let padded = pad(&plaintext).unwrap();
            let unpadded = unpad(&padded).unwrap();
            prop_assert_eq!(unpadded.as_slice(), plaintext.as_slice());
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            if let Ok(plaintext) = unpad(&bytes) {
                let padded = pad(&plaintext).unwrap();
                prop_assert_eq!(padded.as_slice(), bytes.as_slice());
            }
        }
    }
}
