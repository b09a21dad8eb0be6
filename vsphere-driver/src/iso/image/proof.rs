//! What a source said of a content that was fetched, by which the content is known again without being
//! fetched anew.
//!
//! Some sources say different things of one content: several servers with tags of their own behind one name,
//! a validator that comes later. Only a fetch tells such a source from one that has another content, and its
//! SHA-256 is the proof; what the source said then is remembered, so that it need not be fetched for that again.

use crate::iso::{
    digest::Digest,
    retry,
    source::{Content, Likeness},
};
use tokio::time::Instant;

/// What a source may say of one content and be understood. Who says more says something new each time.
const MOST: usize = 16;

/// What a source said now, as far as it concerns what was fetched of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    /// What it said.
    pub(super) content: &'a Content,
    /// A caller says that the content is another than before.
    pub(super) is_told: bool,
    /// Only one content will do, whatever is said of it: its SHA-256 is given.
    pub(super) is_pinned: bool,
}

/// The content that was fetched last, and all that its source said of it.
#[derive(Debug)]
pub(super) struct Proof {
    sha256: Digest,
    said: Vec<Content>,
    /// How often it was fetched in vain, because its source said something else of it.
    vain: u32,
    /// Not fetched for something else that is said of it before this.
    again: Instant,
}

// === impl Answer ===

impl Answer<'_> {
    /// Whether the source still has what it said this of.
    pub(super) fn compare(&self, before: &Content) -> Likeness {
        match before.likeness(self.content) {
            Likeness::Same if self.is_told && !self.content.has_validator() => Likeness::Other,
            Likeness::Unsure if self.is_told => Likeness::Other,
            likeness => likeness,
        }
    }
}

// === impl Proof ===

impl Proof {
    /// A content was fetched of which this had been said.
    pub(super) fn new(sha256: Digest, said: Option<Content>, now: Instant) -> Self {
        Self {
            sha256,
            said: said.into_iter().collect(),
            vain: 0,
            again: now,
        }
    }

    /// A content was fetched once more; whether it is the same.
    pub(super) fn confirm(&mut self, sha256: Digest, said: Option<&Content>, now: Instant) -> bool {
        if self.sha256 != sha256 {
            return false;
        }
        let Some(said) = said else {
            return true;
        };
        let is_same = |before: &Content| before.likeness(said) == Likeness::Same;
        if !self.said.iter().any(is_same) {
            self.vain += 1;
            self.again = now + retry::slower(self.vain);
            if self.said.len() == MOST {
                self.said.remove(0);
            }
            self.said.push(said.clone());
        }
        true
    }

    /// It could not be fetched anew, and is left alone for a while.
    pub(super) fn postpone(&mut self, now: Instant) {
        self.again = self.again.max(now + retry::CHECK);
    }

    /// When it may be fetched anew.
    pub(super) fn again(&self) -> Instant {
        self.again
    }

    /// Whether its source said different things of it, so that other words need not mean another content.
    pub(super) fn is_of_many_words(&self) -> bool {
        self.vain > 0
    }

    /// Whether its source still has it.
    pub(super) fn judge(&self, answer: &Answer<'_>) -> Likeness {
        if answer.is_pinned {
            return Likeness::Same;
        }
        let all = self.said.iter().map(|said| answer.compare(said));
        let likeness = all.min().unwrap_or(Likeness::Other);
        let length = self.said.first().map(|said| said.length);
        let is_as_long = length == Some(answer.content.length);
        if likeness == Likeness::Other && self.is_of_many_words() && is_as_long && !answer.is_told {
            return Likeness::Unsure;
        }
        likeness
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::wishes::fixtures::content;
    use Likeness::{Other, Same, Unsure};

    fn silent() -> Content {
        Content {
            etag: None,
            ..content("")
        }
    }

    fn longer() -> Content {
        Content {
            length: 101,
            ..content("b")
        }
    }

    #[test]
    fn a_source_is_believed_until_it_was_seen_to_say_different_things_of_one_content() {
        let (a, b, digest, now) = (content("a"), content("b"), Digest::of(b"x"), Instant::now());
        let once = || Proof::new(digest, Some(a.clone()), now);
        let twice = || {
            let mut proof = once();
            assert!(proof.confirm(digest, Some(&b), now));
            proof
        };
        for (why, proof, said, is_told, expected) in [
            ("the same", once(), a.clone(), false, Same),
            ("the same, told", once(), a.clone(), true, Same),
            ("another", once(), b.clone(), false, Other),
            ("nothing any more", once(), silent(), false, Unsure),
            ("nothing any more, told", once(), silent(), true, Other),
            ("what was proved", twice(), b.clone(), true, Same),
            ("something new", twice(), content("c"), false, Unsure),
            ("something new, told", twice(), content("c"), true, Other),
            ("another length", twice(), longer(), false, Other),
        ] {
            let answer = Answer {
                content: &said,
                is_told,
                is_pinned: false,
            };
            assert_eq!(proof.judge(&answer), expected, "{why}");
            let pinned = Answer {
                is_pinned: true,
                ..answer
            };
            assert_eq!(proof.judge(&pinned), Same, "{why}, of one SHA-256");
        }
    }

    #[test]
    fn a_source_that_says_nothing_is_the_same_until_a_caller_knows_better() {
        let proof = Proof::new(Digest::of(b"x"), Some(silent()), Instant::now());
        let spoken = content("a");
        for (said, is_told, expected) in [
            (&silent(), false, Same),
            (&silent(), true, Other),
            (&spoken, false, Unsure),
            (&spoken, true, Other),
        ] {
            let answer = Answer {
                content: said,
                is_told,
                is_pinned: false,
            };
            assert_eq!(proof.judge(&answer), expected, "{said:?} {is_told}");
        }
    }

    #[test]
    fn another_content_is_no_proof_of_this_one() {
        let now = Instant::now();
        let mut proof = Proof::new(Digest::of(b"x"), Some(content("a")), now);
        assert!(!proof.confirm(Digest::of(b"y"), Some(&content("b")), now));
        assert!(!proof.is_of_many_words());
    }

    #[test]
    fn who_says_something_new_each_time_is_fetched_ever_more_seldom() {
        let (digest, mut now) = (Digest::of(b"x"), Instant::now());
        let mut proof = Proof::new(digest, Some(content("0")), now);
        let waits = (1..40).map(|number| {
            assert!(proof.confirm(digest, Some(&content(&number.to_string())), now));
            let wait = proof.again() - now;
            now = proof.again();
            wait.as_secs() / 60
        });
        let waits: Vec<_> = waits.collect();
        assert_eq!(waits[..3], [10, 20, 40]);
        assert_eq!(waits.last(), Some(&(24 * 60)));
        assert_eq!(proof.said.len(), MOST);
    }
}
