//! SHA-256 of a content, as text and as bytes.

use contract::v1::Fault;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest that 64 hexadecimal digits say, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<_> = text.chars().map(|c| c.to_digit(16)).collect();
        let digits: Vec<u32> = digits.into_iter().collect::<Option<_>>()?;
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().try_fold(0u8, |byte, digit| {
                Some((byte << 4) | u8::try_from(*digit).ok()?)
            })?;
        }
        Some(Self(bytes))
    }

    /// The first digits of its text, enough to name a file after it.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(Self::SHORT);
        text
    }

    /// Digits in [`Digest::short`].
    pub const SHORT: usize = 16;
}

/// The digest of a field of a request, where one is given.
///
/// # Errors
/// `INVALID_FIELD`: it is none.
pub fn of_field(text: &str, field: &str) -> Result<Option<Digest>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let problem = || Fault::invalid(field, "must be 64 hexadecimal digits");
    Digest::parse(text).ok_or_else(problem).map(Some)
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("64 hexadecimal digits are expected")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_back_from_its_text_and_nothing_else_is() {
        let digest = Digest::of(b"abc");
        let text = digest.to_string();
        assert!(text.starts_with("ba7816bf8f01cfea") && text.len() == 64);
        assert_eq!(digest.short(), "ba7816bf8f01cfea");
        assert_eq!(Digest::parse(&text), Some(digest));
        assert_eq!(Digest::parse(&text.to_uppercase()), Some(digest));
        for wrong in [
            "",
            "ab",
            &text[1..],
            &format!("{text}0"),
            &text.replace('b', "g"),
        ] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_field_may_be_empty_and_is_named_when_it_is_wrong() {
        assert_eq!(of_field("", "sha256"), Ok(None));
        let text = Digest::of(b"abc").to_string();
        assert_eq!(of_field(&text, "sha256"), Ok(Digest::parse(&text)));
        assert_eq!(
            of_field("ab", "a.sha256").expect_err("short").field,
            "a.sha256"
        );
    }
}
