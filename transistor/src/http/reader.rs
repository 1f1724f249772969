//! Who reads: a request consumes only if it says unmistakably that it wants to.

use api::{ErrorCode, Problem, transistor as wire};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use super::extract::value;
use crate::drops::{Shown, Token};

/// Headers by which clients say that nobody wants the answer yet.
const AHEAD: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

/// What a reader shows.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) shown: Shown,
    pub(super) claim: Option<Token>,
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

impl Reader {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            shown: Shown { access: value(headers, wire::ACCESS)?, unlock: value(headers, wire::UNLOCK)? },
            claim: value(headers, wire::CLAIM)?,
        })
    }

    /// Refuses what nobody has asked for in so many words. Looks at the request alone, never at the drop, so that the
    /// answer tells nothing of it.
    pub(super) fn means_it(&self, headers: &HeaderMap, types: &[&str]) -> Result<(), Problem> {
        not_ahead(headers)?;
        let is_reader = self.shown.access.is_some() || self.claim.is_some();
        match Wish::of(headers, types) {
            Wish::Named => Ok(()),
            Wish::Anything if is_reader => Ok(()),
            Wish::Anything | Wish::Else => Err(Problem::new(ErrorCode::NotAcceptable)),
        }
    }
}

/// Refuses a request that says it was made ahead of anybody's wish.
pub(super) fn not_ahead(headers: &HeaderMap) -> Result<(), Problem> {
    let says_so = |value: &str| {
        let value = value.to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|word| value.contains(word))
    };
    let ahead =
        AHEAD.iter().flat_map(|name| headers.get_all(*name)).any(|value| value.to_str().is_ok_and(says_so));
    if ahead { Err(Problem::new(ErrorCode::PrefetchRefused)) } else { Ok(()) }
}

/// What `Accept` says of some media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// One of them, by its name.
    Named,
    /// One of them, among others.
    Anything,
    /// None of them.
    Else,
}

impl Wish {
    fn of(headers: &HeaderMap, types: &[&str]) -> Self {
        let mut wish = if headers.contains_key(header::ACCEPT) { Self::Else } else { Self::Anything };
        for range in headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|v| v.split(','))
        {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
            if parts.any(is_unwanted) {
                continue;
            }
            if types.contains(&essence.as_str()) {
                return Self::Named;
            }
            if matches!(essence.as_str(), "*/*" | "application/*") {
                wish = Self::Anything;
            }
        }
        wish
    }
}

/// Whether a parameter of a media range says `q=0`.
fn is_unwanted(parameter: &str) -> bool {
    parameter
        .strip_prefix("q=")
        .is_some_and(|quality| quality.trim().bytes().all(|byte| matches!(byte, b'0' | b'.')))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn only_a_named_type_is_a_wish() {
        const TYPES: &[&str] = &[wire::JSON_API, wire::JSON];
        for (accept, wish) in [
            ("application/json", Wish::Named),
            ("text/html, Application/VND.api+json;q=0.1", Wish::Named),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Wish::Anything),
            ("application/*", Wish::Anything),
            ("*/*", Wish::Anything),
            ("application/json;q=0", Wish::Else),
            ("application/json; q=0.000, text/*", Wish::Else),
            ("application/octet-stream", Wish::Else),
            ("", Wish::Else),
        ] {
            assert_eq!(Wish::of(&with("accept", accept), TYPES), wish, "{accept}");
        }
        assert_eq!(Wish::of(&HeaderMap::new(), TYPES), Wish::Anything);
    }

    #[test]
    fn a_token_makes_a_reader_and_a_prefetch_none() {
        let mut headers = with("accept", "*/*");
        let types = &[wire::JSON];
        let refused =
            |headers: &HeaderMap| Reader::of(headers).unwrap().means_it(headers, types).map_err(|p| p.code());
        assert_eq!(refused(&headers), Err(ErrorCode::NotAcceptable));
        headers.insert(wire::ACCESS, HeaderValue::from_str(&"A".repeat(43)).unwrap());
        assert_eq!(refused(&headers), Ok(()));
        for (name, value) in [
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "Prefetch"),
            ("x-purpose", "preview"),
            ("x-moz", "prefetch"),
        ] {
            let mut headers = headers.clone();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(refused(&headers), Err(ErrorCode::PrefetchRefused), "{name}");
        }
    }
}
