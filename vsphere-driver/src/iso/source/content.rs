//! What a source says of its content, and whether the content is known again by it.

/// What a source says of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its size in bytes: a source that does not say it cannot be transferred.
    pub length: u64,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// How what a source says of its content compares with what it said before, the most alike first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// It is the same content, as far as the source says anything of it.
    Same,
    /// It may be: only its size was said both times.
    Unsure,
    /// It is another.
    Other,
}

// === impl Content ===

impl Content {
    /// What tells this content from any other at the same URL, byte by byte. A weak `ETag` does not.
    pub(super) fn validator(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong.or(self.last_modified.as_deref())
    }

    /// Whether the source says of it by what it is known again, beside its size.
    pub fn has_validator(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Whether it is what the source says this of at another time.
    pub fn likeness(&self, other: &Self) -> Likeness {
        let pairs = [
            (&self.etag, &other.etag),
            (&self.last_modified, &other.last_modified),
        ];
        // What is said only once tells nothing.
        let both = pairs
            .into_iter()
            .filter(|(a, b)| a.is_some() && b.is_some());
        let (mut is_same, mut is_other) = (false, self.length != other.length);
        for (a, b) in both {
            *(if a == b { &mut is_same } else { &mut is_other }) = true;
        }
        if is_other {
            Likeness::Other
        } else if is_same || !(self.has_validator() || other.has_validator()) {
            Likeness::Same
        } else {
            Likeness::Unsure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(etag: &str, last_modified: &str) -> Content {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Content {
            length: 10,
            etag: some(etag),
            last_modified: some(last_modified),
        }
    }

    #[test]
    fn a_content_is_known_again_by_what_is_said_of_it_both_times() {
        let longer = Content {
            length: 11,
            ..said("\"a\"", "Mon")
        };
        for (before, now, expected) in [
            (said("", ""), said("", ""), Likeness::Same),
            (said("\"a\"", "Mon"), said("\"a\"", "Mon"), Likeness::Same),
            (said("\"a\"", ""), said("\"a\"", "Mon"), Likeness::Same),
            (said("", "Mon"), said("\"a\"", "Mon"), Likeness::Same),
            (said("", ""), said("", "Mon"), Likeness::Unsure),
            (said("\"a\"", ""), said("", "Mon"), Likeness::Unsure),
            (said("\"a\"", "Mon"), said("\"b\"", "Mon"), Likeness::Other),
            (said("\"a\"", "Mon"), said("\"a\"", "Tue"), Likeness::Other),
            (said("\"a\"", "Mon"), longer, Likeness::Other),
        ] {
            assert_eq!(before.likeness(&now), expected, "{before:?} {now:?}");
            assert_eq!(now.likeness(&before), expected, "{now:?} {before:?}");
        }
    }
}
