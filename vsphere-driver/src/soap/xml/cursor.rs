//! Walks through a reply once, from element to element, without building a tree of it.

use super::Element;
use quick_xml::{
    events::{BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
    reader::NsReader,
};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// How large and how deep a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Elements inside one another.
    pub depth: usize,
    /// Elements at all: an element costs far more memory than its four bytes of text.
    pub elements: usize,
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidXml {
    /// It has more bytes, depth or elements than permitted.
    #[error("larger than permitted: more than {most} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much of it is permitted.
        most: usize,
    },
    /// It is not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// It is not well-formed.
    #[error("malformed at byte {position}")]
    Malformed {
        /// Where.
        position: u64,
        /// What was found there.
        #[source]
        source: quick_xml::Error,
    },
    /// It ends in the middle.
    #[error("truncated")]
    Truncated,
    /// It has a document type or an entity of its own, which SOAP forbids.
    #[error("not permitted in SOAP: {0}")]
    Forbidden(&'static str),
    /// An element that has to be there is not, or its text is not what it has to be.
    #[error("no valid `{0}`")]
    Missing(&'static str),
}

/// The start of an element: its name without prefix, and the attributes that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Name without prefix.
    pub name: Box<str>,
    /// `xsi:type` without prefix: the type of the value.
    pub xsi_type: Option<Box<str>>,
    /// `type`: the type of the object that the text refers to.
    pub ref_type: Option<Box<str>>,
}

/// A place in a document. Every method leaves it at a well-defined place: behind the element it read.
#[derive(Debug)]
pub struct Cursor<'a> {
    reader: NsReader<&'a [u8]>,
    limits: Limits,
    depth: usize,
    elements: usize,
}

enum Step {
    Start(Start),
    Text(String),
    End,
}

// === impl Limits ===

impl Limits {
    /// No reply has a reason to be larger.
    pub const DEFAULT: Self = Self {
        bytes: 64 << 20,
        depth: 64,
        elements: 2_000_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

// === impl Start ===

impl Start {
    /// Of an element of this name without attributes.
    pub(super) fn named(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    /// At the beginning of `document`.
    pub fn new(document: &'a [u8], limits: Limits) -> Result<Self, InvalidXml> {
        if document.len() > limits.bytes {
            return Err(InvalidXml::TooLarge {
                what: "bytes",
                most: limits.bytes,
            });
        }
        let text = std::str::from_utf8(document).map_err(|_| InvalidXml::NotUtf8)?;
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self {
            reader,
            limits,
            depth: 0,
            elements: 0,
        })
    }

    /// The root element.
    pub fn root(&mut self) -> Result<Start, InvalidXml> {
        loop {
            match self.step()? {
                Some(Step::Start(start)) => return Ok(start),
                Some(_) => {}
                None => return Err(InvalidXml::Truncated),
            }
        }
    }

    /// The next child of the element that the cursor is in; `None` once that element is over.
    pub fn child(&mut self) -> Result<Option<Start>, InvalidXml> {
        loop {
            match self.step()?.ok_or(InvalidXml::Truncated)? {
                Step::Start(start) => return Ok(Some(start)),
                Step::End => return Ok(None),
                Step::Text(_) => {}
            }
        }
    }

    /// The next child of this name; children before it are skipped.
    pub fn child_named(&mut self, name: &'static str) -> Result<Option<Start>, InvalidXml> {
        while let Some(start) = self.child()? {
            if &*start.name == name {
                return Ok(Some(start));
            }
            self.skip()?;
        }
        Ok(None)
    }

    /// Passes over what is left of the element that the cursor is in.
    pub fn skip(&mut self) -> Result<(), InvalidXml> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.step()?.ok_or(InvalidXml::Truncated)?;
        }
        Ok(())
    }

    /// The text of the element that the cursor is in.
    pub fn text(&mut self) -> Result<String, InvalidXml> {
        let mut text = String::new();
        loop {
            match self.step()?.ok_or(InvalidXml::Truncated)? {
                Step::Text(more) if text.is_empty() => text = more,
                Step::Text(more) => text.push_str(&more),
                Step::Start(_) => self.skip()?,
                Step::End => return Ok(text),
            }
        }
    }

    /// The element that the cursor is in and that began with `start`, as a tree.
    pub fn element(&mut self, start: Start) -> Result<Element, InvalidXml> {
        let mut text = String::new();
        let mut children = Vec::new();
        loop {
            match self.step()?.ok_or(InvalidXml::Truncated)? {
                // The depth limit bounds the recursion.
                Step::Start(start) => children.push(self.element(start)?),
                Step::Text(more) => text.push_str(&more),
                Step::End => return Ok(Element::new(start, text, children)),
            }
        }
    }

    /// Reads the rest, which must be well-formed and hold nothing that matters.
    pub fn finish(mut self) -> Result<(), InvalidXml> {
        while self.step()?.is_some() {}
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Step>, InvalidXml> {
        loop {
            let event = self.reader.read_event().map_err(|source| {
                let position = self.reader.error_position();
                InvalidXml::Malformed { position, source }
            })?;
            return Ok(Some(match event {
                Event::Start(start) | Event::Empty(start) => Step::Start(self.enter(&start)?),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Step::End
                }
                Event::Text(text) => Step::Text(text.into_inner().into_owned()),
                Event::CData(text) => Step::Text(text.into_inner().into_owned()),
                Event::GeneralRef(reference) => Step::Text(char_of(&reference)?.into()),
                Event::DocType(_) => return Err(InvalidXml::Forbidden("document type")),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
                Event::Eof if self.depth == 0 => return Ok(None),
                Event::Eof => return Err(InvalidXml::Truncated),
            }));
        }
    }

    fn enter(&mut self, start: &BytesStart<'_>) -> Result<Start, InvalidXml> {
        self.depth += 1;
        self.elements += 1;
        let Limits {
            depth, elements, ..
        } = self.limits;
        for (is, most, what) in [
            (self.depth, depth, "levels"),
            (self.elements, elements, "elements"),
        ] {
            if is > most {
                return Err(InvalidXml::TooLarge { what, most });
            }
        }
        self.start(start)
    }

    fn start(&self, start: &BytesStart<'_>) -> Result<Start, InvalidXml> {
        let mut found = Start {
            name: start.local_name().as_ref().into(),
            ..Start::default()
        };
        if start.attributes_raw().is_empty() {
            return Ok(found);
        }
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| InvalidXml::Malformed {
                position: self.reader.buffer_position(),
                source: error.into(),
            })?;
            if attribute.key.local_name().as_ref() != "type" {
                continue;
            }
            let value = attribute.value.as_ref();
            // The prefix of `xsi` differs between servers; its namespace does not.
            match self.reader.resolver().resolve_attribute(attribute.key).0 {
                ResolveResult::Bound(Namespace(XSI)) => {
                    found.xsi_type = value.rsplit(':').next().map(Into::into);
                }
                ResolveResult::Unbound => found.ref_type = Some(value.into()),
                ResolveResult::Bound(_) | ResolveResult::Unknown(_) => {}
            }
        }
        Ok(found)
    }
}

fn char_of(reference: &BytesRef<'_>) -> Result<char, InvalidXml> {
    let forbidden = InvalidXml::Forbidden("entity");
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => reference.resolve_char_ref().ok().flatten().ok_or(forbidden),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str, limits: Limits) -> Result<Element, InvalidXml> {
        let mut cursor = Cursor::new(xml.as_bytes(), limits)?;
        let root = cursor.root()?;
        let element = cursor.element(root)?;
        cursor.finish()?;
        Ok(element)
    }

    #[test]
    fn what_is_malformed_has_an_error_and_not_a_panic() {
        let small = Limits {
            bytes: 80,
            depth: 3,
            elements: 5,
        };
        for (why, xml, error) in [
            ("nothing", "", "truncated"),
            ("only text", "Bad Gateway", "truncated"),
            ("cut off", "<a><b>x", "truncated"),
            ("crossed", "<a><b></a></b>", "malformed at byte 6"),
            ("closed twice", "<a></a></a>", "malformed at byte 7"),
            (
                "too deep",
                "<a><a><a><a/></a></a></a>",
                "larger than permitted: more than 3 levels",
            ),
            (
                "too many",
                "<a><b/><b/><b/><b/><b/></a>",
                "larger than permitted: more than 5 elements",
            ),
            (
                "too long",
                &format!("<a>{}</a>", "x".repeat(80)),
                "larger than permitted: more than 80 bytes",
            ),
            (
                "an entity",
                "<a>&file;</a>",
                "not permitted in SOAP: entity",
            ),
            (
                "no character",
                "<a>&#xD800;</a>",
                "not permitted in SOAP: entity",
            ),
            (
                "a document type",
                "<!DOCTYPE a><a/>",
                "not permitted in SOAP: document type",
            ),
        ] {
            let found = read(xml, small).expect_err(why).to_string();
            assert_eq!(found, error, "{why}");
        }
        let binary = Cursor::new(b"<a>\xff</a>", small).expect_err("binary");
        assert_eq!(binary.to_string(), "not UTF-8");
    }

    #[test]
    fn children_are_walked_through_in_order() {
        let xml = "<a><skip><b>no</b></skip><b>x&amp;<!-- - --><![CDATA[<y>]]></b><c/>tail</a>";
        let mut cursor = Cursor::new(xml.as_bytes(), Limits::DEFAULT).unwrap();
        assert_eq!(&*cursor.root().unwrap().name, "a");
        assert!(cursor.child_named("b").unwrap().is_some());
        assert_eq!(cursor.text().unwrap(), "x&<y>");
        assert_eq!(&*cursor.child().unwrap().unwrap().name, "c");
        cursor.skip().unwrap();
        assert!(cursor.child().unwrap().is_none());
        cursor.finish().unwrap();
    }
}
