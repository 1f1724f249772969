//! Text from other people that is shown to people: names, file names, media types.

use core::fmt;

use thiserror::Error;

/// Why a text is not acceptable (the fault of whoever wrote it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, or blanks only, or blanks at an end.
    #[error("empty, or blank at an end")]
    Blank,
    /// Longer than the bound.
    #[error("{len} bytes, the limit is {max}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character that controls the display, separates paths, or is not of the allowed set.
    #[error("a character that is not allowed")]
    Character,
}

/// A name to show: 1 to 64 bytes of UTF-8 without control characters, line breaks and direction overrides, and
/// without blanks at its ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplayName(String);

impl DisplayName {
    /// Most bytes.
    pub const MAX: usize = 64;

    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] by the rule it breaks.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.len() > Self::MAX {
            return Err(NameError::TooLong { len: name.len(), max: Self::MAX });
        }
        if name.trim() != name || !name.chars().any(is_visible) {
            return Err(NameError::Blank);
        }
        if name.chars().any(controls_display) {
            return Err(NameError::Character);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The type of a content: 1 to 128 bytes of printable ASCII without blanks, by convention a media type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentType(String);

impl ContentType {
    /// Most bytes.
    pub const MAX: usize = 128;

    /// Checks a content type.
    ///
    /// # Errors
    /// [`NameError`] by the rule it breaks.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.len() > Self::MAX {
            return Err(NameError::TooLong { len: name.len(), max: Self::MAX });
        }
        if name.is_empty() {
            return Err(NameError::Blank);
        }
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NameError::Character);
        }
        Ok(Self(name.to_owned()))
    }

    /// The type.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file name that is safe to create in a folder: 1 to 255 bytes of UTF-8, no path separator, no control character,
/// no name that some operating system gives a meaning.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// Most bytes.
    pub const MAX: usize = 255;

    /// The safe name closest to `name`.
    ///
    /// Characters that are not allowed become `_`; blanks at the ends and dots at the end go; a name that is reserved
    /// (`..`, `con`, `nul.txt`) gets a `_` in front; what is too long is cut before its extension; nothing becomes
    /// `unnamed`.
    #[must_use]
    pub fn sanitise(name: &str) -> Self {
        let plain: String = name.chars().map(|c| if unsafe_in_file_name(c) { '_' } else { c }).collect();
        // Shortened first: what is cut off might be all that kept the name from being a reserved one.
        let short = shorten(trim_end(plain.trim_start()), Self::MAX);
        if short.is_empty() {
            return Self("unnamed".to_owned());
        }
        let is_reserved = short.starts_with('.') || is_device(&short);
        Self(if is_reserved { shorten(&format!("_{short}"), Self::MAX) } else { short })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character leaves a mark of its own: joiners and variation selectors belong into names, but are not one.
fn is_visible(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
}

/// Whether a character changes how the text around it is laid out, or is made to be invisible.
fn controls_display(c: char) -> bool {
    let controls_layout = matches!(c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let invisible = matches!(c,
        '\u{00ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}');
    c.is_control() || controls_layout || invisible
}

fn unsafe_in_file_name(c: char) -> bool {
    controls_display(c) || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// Names of devices on Windows, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// Cuts to `max` bytes at a character boundary, keeping an extension of up to 16 bytes.
fn shorten(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).filter(|e| e.len() <= 17).unwrap_or("");
    let mut end = max - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let cut = format!("{}{extension}", name.get(..end).unwrap_or_default());
    trim_end(&cut).to_owned()
}

/// The name without the blanks and dots at its end.
fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

macro_rules! shown {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            /// What members write is theirs: only its length is shown.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name), self.0.len())
            }
        }
    )*};
}
shown!(DisplayName, ContentType, FileName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_to_show() {
        assert!(DisplayName::new("Ada Lovelace").is_ok());
        assert!(DisplayName::new("👩‍🚀 Ζωή").is_ok(), "joiners belong to writing");
        assert_eq!(DisplayName::new(""), Err(NameError::Blank));
        assert_eq!(DisplayName::new(" x"), Err(NameError::Blank));
        assert_eq!(DisplayName::new("\u{200d}"), Err(NameError::Blank), "nothing to see");
        assert_eq!(DisplayName::new("a\u{200b}b"), Err(NameError::Character));
        assert_eq!(DisplayName::new("a\nb"), Err(NameError::Character));
        assert_eq!(DisplayName::new("a\u{202e}b"), Err(NameError::Character));
        assert!(DisplayName::new(&"x".repeat(64)).is_ok());
        assert_eq!(DisplayName::new(&"x".repeat(65)), Err(NameError::TooLong { len: 65, max: 64 }));
    }

    #[test]
    fn content_types() {
        assert!(ContentType::new("text/plain;charset=utf-8").is_ok());
        assert_eq!(ContentType::new("text plain"), Err(NameError::Character));
        assert_eq!(ContentType::new(""), Err(NameError::Blank));
        assert!(ContentType::new(&"x".repeat(129)).is_err());
    }

    #[test]
    fn file_names() {
        let cases = [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "_.._.._etc_passwd"),
            ("a\\b:c", "a_b_c"),
            ("..", "unnamed"),
            ("", "unnamed"),
            (" . ", "unnamed"),
            (".profile", "_.profile"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1.log", "_com1.log"),
            ("company", "company"),
            ("a\u{0}b\r\nc", "a_b__c"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("trailing. . ", "trailing"),
            ("wide blank\u{3000}.", "wide blank"),
            (".\u{3000}.", "unnamed"),
        ];
        for (given, safe) in cases {
            assert_eq!(FileName::sanitise(given).as_str(), safe);
        }
        // Whatever is cut off, what remains is no device.
        let device = format!("con{}x", " ".repeat(300));
        assert_eq!(FileName::sanitise(&device).as_str(), "_con");
        let long = format!("{}.tar.gz", "ü".repeat(200));
        let short = FileName::sanitise(&long);
        assert!(short.as_str().len() <= FileName::MAX && short.as_str().ends_with("ü.gz"));
    }

    proptest! {
        #[test]
        fn sanitised_names_are_safe_and_stay(name in any::<String>()) {
            let safe = FileName::sanitise(&name);
            let text = safe.as_str();
            prop_assert!(!text.is_empty() && text.len() <= FileName::MAX);
            prop_assert!(!text.chars().any(unsafe_in_file_name));
            prop_assert!(!text.starts_with('.') && !text.ends_with('.'));
            prop_assert_eq!(FileName::sanitise(text), safe);
        }
    }
}
