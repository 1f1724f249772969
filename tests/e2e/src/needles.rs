//! Looking for what must not be there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use memchr::memmem;

/// Byte strings that must not turn up, each with what it is.
#[derive(Debug, Clone, Default)]
pub struct Needles(Vec<(String, Vec<u8>)>);

const BASE64: [&[u8; 64]; 2] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
];

impl Needles {
    /// Adds a text: as it is, and in base64 wherever it may stand in longer bytes.
    pub fn text(&mut self, what: &str, text: &str) {
        self.add(what, text.as_bytes().to_vec());
        self.base64(what, text.as_bytes());
    }

    /// Adds secret bytes: as they are, in hexadecimal, in base64.
    pub fn secret(&mut self, what: &str, bytes: &[u8]) {
        self.add(what, bytes.to_vec());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.add(&format!("{what} (hex)"), hex.to_uppercase().into_bytes());
        self.add(&format!("{what} (hex)"), hex.into_bytes());
        self.base64(what, bytes);
    }

    /// The part of the encoding that does not depend on the neighbours, for each of the three places.
    fn base64(&mut self, what: &str, bytes: &[u8]) {
        for alphabet in BASE64 {
            for shift in 0..3_usize {
                let mut bits = vec![0_u8; shift];
                bits.extend_from_slice(bytes);
                let whole = bits.len() / 3 * 3;
                let encoded: Vec<u8> = bits
                    .get(..whole)
                    .unwrap_or_default()
                    .chunks_exact(3)
                    .flat_map(|chunk| {
                        let n = chunk.iter().fold(0_u32, |n, byte| n << 8 | u32::from(*byte));
                        [18, 12, 6, 0].map(|right| {
                            let at = usize::try_from(n >> right & 63).unwrap_or(0);
                            alphabet.get(at).copied().unwrap_or(b'=')
                        })
                    })
                    .collect();
                // The first group mixes in the bytes before.
                let skip = if shift == 0 { 0 } else { 4 };
                self.add(&format!("{what} (base64)"), encoded.get(skip..).unwrap_or_default().to_vec());
            }
        }
    }

    /// Shorter strings turn up in random bytes.
    fn add(&mut self, what: &str, needle: Vec<u8>) {
        if needle.len() >= 6 {
            self.0.push((what.to_owned(), needle));
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What turns up in these bytes.
    #[must_use]
    pub fn in_bytes(&self, haystack: &[u8]) -> Vec<String> {
        let found = self.0.iter().filter(|(_, needle)| memmem::find(haystack, needle).is_some());
        found.map(|(what, _)| what.clone()).collect()
    }

    /// What turns up in any file below a folder, and where.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn below(&self, folder: &Path) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for path in files_below(folder)? {
            for what in self.in_bytes(&fs::read(&path)?) {
                found.push(format!("{what} in {}", path.display()));
            }
        }
        Ok(found)
    }
}

/// All files below a folder.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_form() {
        let mut needles = Needles::default();
        needles.secret("key", b"a secret of some bytes");
        // "xy" in front moves the encoding by two bytes.
        for text in [
            "..a secret of some bytes..",
            "6120736563726574206f6620736f6d65206279746573",
            "YSBzZWNyZXQgb2Ygc29tZSBieXRlcw==",
            "eHlhIHNlY3JldCBvZiBzb21lIGJ5dGVz",
        ] {
            assert!(!needles.in_bytes(text.as_bytes()).is_empty(), "{text}");
        }
        assert!(needles.in_bytes(b"a secret of other bytes").is_empty());
    }
}
