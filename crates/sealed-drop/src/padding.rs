//! Padmé: a length of `n` bits keeps its highest `log2 n` bits and is rounded up, so that it says little and costs at
//! most 12 %.

/// Shortest padded length: what a password is sealed into says nothing of its own length.
const MIN: u64 = 256;

/// The length that `len` bytes are padded to; `None` where it does not fit an integer.
pub(crate) const fn padded(len: u64) -> Option<u64> {
    if len <= MIN {
        return Some(MIN);
    }
    let exponent = len.ilog2();
    let free = exponent - (exponent.ilog2() + 1);
    let mask = (1 << free) - 1;
    match len.checked_add(mask) {
        Some(sum) => Some(sum & !mask),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths() {
        for (len, expected) in
            [(0, 256), (40, 256), (256, 256), (257, 272), (272, 272), (1000, 1024), (65_640, 67_584)]
        {
            assert_eq!(padded(len), Some(expected), "{len}");
        }
        assert_eq!(padded(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn little_is_added_and_nothing_twice(len in 256u64..1 << 50) {
            let out = padded(len).unwrap();
            prop_assert!(out >= len && out - len <= len * 12 / 100);
            prop_assert_eq!(padded(out), Some(out));
        }

        #[test]
        fn longer_is_never_shorter(len in 0u64..1 << 50, more in 0u64..1 << 20) {
            prop_assert!(padded(len + more) >= padded(len));
        }
    }
}
