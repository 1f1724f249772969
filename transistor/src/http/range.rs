//! `Range`, of which one is enough.

use axum::http::{HeaderMap, header};

use crate::drops::RangeSpec;

/// The one range that is asked for. `None` for none, for several, and for what is no range of bytes: RFC 9110 has all of
/// these answered with the whole.
pub(super) fn wanted(headers: &HeaderMap) -> Option<RangeSpec> {
    let mut values = headers.get_all(header::RANGE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => Some(RangeSpec::From(first)),
        (Some(first), Some(last)) if first <= last => Some(RangeSpec::Between(first, last)),
        (None, Some(count)) if first.is_empty() => Some(RangeSpec::Last(count)),
        _ => None,
    }
}

/// Digits and nothing else; more of them than fit count as the largest number there is.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes() {
        for (value, expected) in [
            ("bytes=0-0", Some(RangeSpec::Between(0, 0))),
            ("Bytes=5-", Some(RangeSpec::From(5))),
            ("bytes=-5", Some(RangeSpec::Last(5))),
            ("bytes=0-99999999999999999999999", Some(RangeSpec::Between(0, u64::MAX))),
            ("bytes=5-4", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes=a-b", None),
            ("lines=1-2", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, value.parse().unwrap())]);
            assert_eq!(wanted(&headers), expected, "{value}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
    }
}
