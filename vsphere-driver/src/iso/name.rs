//! Names of files in the folder of ISOs: a whole file is named after its content.

use super::digest::Digest;
use std::fmt;

/// What a file is called where the caller gives no label.
const DEFAULT_LABEL: &str = "iso";
/// Longest label.
const MAX_LABEL: usize = 96;
/// Digits of a content in the name of its file: more where somebody else took the name with fewer.
const CONTENT: [usize; 3] = [Digest::SHORT, 32, 64];
/// Digits that tell one attempt to write a file from all others. Not as many as of a content, so that no label makes one look like the other.
const ATTEMPT: usize = 12;

const ISO: &str = ".iso";
const PART: &str = ".part-";
const RECORD: &str = ".json";
const MARK: &str = ".uploaded";

/// What the name of a file begins with, chosen by who wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

/// Why a text is no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at most 96 characters of `A-Za-z0-9._-`")]
pub struct InvalidLabel;

/// What a name in our folder says of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole ISO.
    Whole,
    /// An ISO on its way.
    Part,
    /// The record of the file of this name.
    RecordOf(String),
    /// The mark of the file of this name.
    MarkOf(String),
    /// Not a name that we give.
    Other,
}

/// The names that a whole file with this content may have, the best first.
pub fn whole(label: &Label, content: &Digest) -> impl Iterator<Item = String> {
    let (label, digits) = (label.clone(), content.to_string());
    CONTENT
        .into_iter()
        .map(move |count| format!("{label}-{digits:.count$}{ISO}"))
}

/// The name of a file on its way; `attempt` tells who writes it.
pub fn part(label: &Label, attempt: &str) -> String {
    format!("{}{PART}{attempt:.ATTEMPT$}{ISO}", label.0)
}

/// The name of the record beside a file.
pub fn record(file: &str) -> String {
    format!("{file}{RECORD}")
}

/// The name of the mark beside a file, which says that the file was uploaded after it had been fetched.
pub fn mark(file: &str) -> String {
    format!("{file}{MARK}")
}

/// What a name says of its file.
pub fn kind(name: &str) -> Kind {
    let is_whole = |file: &&str| kind(file) == Kind::Whole;
    if let Some(file) = name.strip_suffix(RECORD).filter(is_whole) {
        return Kind::RecordOf(file.to_owned());
    }
    if let Some(file) = name.strip_suffix(MARK).filter(is_whole) {
        return Kind::MarkOf(file.to_owned());
    }
    let Some(stem) = name.strip_suffix(ISO) else {
        return Kind::Other;
    };
    match stem.rsplit_once(PART) {
        Some((label, attempt)) if are_digits(attempt, ATTEMPT) && is_label(label) => Kind::Part,
        _ if is_addressed(stem) => Kind::Whole,
        _ => Kind::Other,
    }
}

/// Whether a name without its ending has a label and digits of a content.
fn is_addressed(stem: &str) -> bool {
    let parts = stem.rsplit_once('-');
    parts.is_some_and(|(label, digits)| {
        let is_count = |count: &usize| are_digits(digits, *count);
        CONTENT.iter().any(is_count) && is_label(label)
    })
}

fn is_label(text: &str) -> bool {
    Label::parse(text).is_ok_and(|label| label.0 == text)
}

fn are_digits(text: &str, count: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == count && text.bytes().all(is_digit)
}

// === impl Label ===

impl Label {
    /// The label that a request gives; `.iso` at its end does not count, and an empty one is `iso`.
    pub fn parse(text: &str) -> Result<Self, InvalidLabel> {
        let label = text.trim_end_matches(ISO);
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if label.is_empty() {
            Ok(Self(DEFAULT_LABEL.into()))
        } else if label.len() <= MAX_LABEL && label.chars().all(is_good) {
            Ok(Self(label.to_owned()))
        } else {
            Err(InvalidLabel)
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::parse(text).expect("good")
    }

    #[test]
    fn a_label_is_taken_without_its_ending_and_nothing_odd_is() {
        assert_eq!(label("agent.iso"), label("agent"));
        assert_eq!(label("agent.iso.iso"), label("agent"));
        assert_eq!(label(""), label("iso"));
        assert_eq!(label(".iso"), label("iso"));
        assert!(Label::parse(&"x".repeat(96)).is_ok());
        for odd in [&*"x".repeat(97), "a b", "a/b", "ä", "a\n", "[a]", "%2e"] {
            assert_eq!(Label::parse(odd), Err(InvalidLabel), "{odd}");
        }
    }

    /// What labels are made of here: all that means something in a name, and what does not.
    const PIECES: [&str; 10] = [
        "a",
        "-",
        ".",
        ".iso",
        ".json",
        ".part-",
        ".uploaded",
        "0123456789ab",
        "0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
    ];

    #[test]
    fn each_name_that_is_given_is_known_again_whatever_its_label() {
        let digest = Digest::of(b"abc");
        let pieces = || PIECES.into_iter();
        let texts = pieces().flat_map(|one| {
            let two = pieces().map(move |other| format!("{one}{other}"));
            two.flat_map(move |two| pieces().map(move |last| format!("{two}{last}")))
        });
        for text in texts.chain([String::new()]) {
            let label = label(&text);
            for name in whole(&label, &digest) {
                assert_eq!(kind(&name), Kind::Whole, "{name}");
                assert_eq!(kind(&mark(&name)), Kind::MarkOf(name.clone()));
                assert_eq!(kind(&record(&name)), Kind::RecordOf(name));
            }
            let name = part(&label, "0123456789abcdef01234567");
            assert_eq!(kind(&name), Kind::Part, "{name}");
        }
    }

    #[test]
    fn a_name_has_digits_of_the_content_or_of_the_attempt() {
        let digest = Digest::of(b"abc");
        let names: Vec<_> = whole(&label("agent"), &digest).collect();
        let expected = [
            "agent-ba7816bf8f01cfea.iso".to_owned(),
            "agent-ba7816bf8f01cfea414140de5dae2223.iso".to_owned(),
            format!("agent-{digest}.iso"),
        ];
        assert_eq!(names, expected);
        let name = part(&label("agent"), "0123456789abcdef");
        assert_eq!(name, "agent.part-0123456789ab.iso");
    }

    #[test]
    fn names_of_others_are_not_taken_for_ours() {
        for name in [
            "agent.iso",
            "agent-ba7816bf8f01cfe.iso",
            "agent-BA7816BF8F01CFEA.iso",
            "-ba7816bf8f01cfea.iso",
            "agent-ba7816bf8f01cfea.ISO",
            "agent-ba7816bf8f01cfea.iso.json.json",
            "agent-ba7816bf8f01cfea.iso.uploaded.json",
            "agent-ba7816bf8f01cfea.iso.json.uploaded",
            "agent-ba7816bf8f01cfea4.iso",
            "agent.part-0123456789ab.iso.json",
            "agent.part-x.iso",
            "agent.part-0123456789abcdef0.iso",
            "agent.json",
            "a b-ba7816bf8f01cfea.iso",
        ] {
            assert_eq!(kind(name), Kind::Other, "{name}");
        }
    }
}
