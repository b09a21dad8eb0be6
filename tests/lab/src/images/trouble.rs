//! What an image service does otherwise than usual.

use http::StatusCode;

/// One thing that goes wrong, or is done otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Refused with this status, as an expired token is (401, 403, 410).
    Refused(StatusCode),
    /// Sent on to this URL.
    Redirected(String),
    /// A page of HTML with the status of success, as portals send it.
    Page,
    /// HEAD is refused (405).
    NoHead,
    /// Ranges are not known: each reply is whole.
    NoRanges,
    /// The length is not told: the body is chunked.
    NoLength,
    /// This length is told, whatever is sent.
    Length(u64),
    /// The connection breaks after so many bytes of a reply.
    Broken {
        /// How many bytes.
        after: u64,
    },
    /// After so many bytes of a reply nothing more comes, until the troubles change.
    Stalled {
        /// How many bytes.
        after: u64,
    },
    /// No faster than this.
    Slow {
        /// Bytes in a second.
        rate: u64,
    },
}

/// All troubles of an image.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<(Trouble, Lasts)>);

/// For how long there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// Until it has happened.
    Once,
    /// Until it is taken away.
    Always,
}

impl Troubles {
    pub(super) fn add(&mut self, trouble: Trouble, lasts: Lasts) {
        self.0.push((trouble, lasts));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What the first trouble that `wanted` knows comes to. Who asks has it happen.
    pub(super) fn take<T>(&mut self, wanted: impl Fn(&Trouble) -> Option<T>) -> Option<T> {
        let mut found = self.0.iter().enumerate();
        let (at, taken) = found.find_map(|(at, (it, _))| wanted(it).map(|taken| (at, taken)))?;
        if self.0[at].1 == Lasts::Once {
            self.0.remove(at);
        }
        Some(taken)
    }

    /// The same of all of them, without having any happen.
    pub(super) fn all<T>(&self, wanted: impl Fn(&Trouble) -> Option<T>) -> impl Iterator<Item = T> {
        self.0.iter().filter_map(move |(it, _)| wanted(it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_once_happens_once_and_the_rest_until_it_is_taken_away() {
        let mut troubles = Troubles::default();
        troubles.add(Trouble::Page, Lasts::Once);
        troubles.add(Trouble::NoHead, Lasts::Always);
        let mut had = |wanted: Trouble| troubles.take(|it| (*it == wanted).then_some(()));
        assert_eq!(had(Trouble::Page), Some(()));
        assert_eq!(had(Trouble::Page), None);
        assert_eq!(had(Trouble::NoHead), Some(()));
        assert_eq!(had(Trouble::NoHead), Some(()));
        troubles.clear();
        assert_eq!(troubles.all(|_| Some(())).count(), 0);
    }
}
