//! Writes the elements of a request, in the order in which it is called.

use crate::soap::MoRef;
use std::fmt::{self, Display, Write as _};

/// Elements written so far. Names and types are fixed words of ours; every value is escaped.
#[derive(Clone, Default)]
pub struct Writer {
    text: String,
}

/// Escapes what passes through it.
struct Escaped<'a>(&'a mut String);

// === impl Writer ===

impl Writer {
    /// Nothing yet, with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let text = String::with_capacity(capacity);
        Self { text }
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What was written.
    pub fn into_string(self) -> String {
        self.text
    }

    /// Text that is XML already: the parts of the envelope.
    pub(crate) fn raw(&mut self, xml: &str) -> &mut Self {
        self.text.push_str(xml);
        self
    }

    /// `<name>value</name>`
    pub fn leaf(&mut self, name: &'static str, value: impl Display) -> &mut Self {
        self.open(name, &[]).value(value).close(name)
    }

    /// The same, if there is a value.
    pub fn opt(&mut self, name: &'static str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.leaf(name, value),
            None => self,
        }
    }

    /// One leaf for each value.
    pub fn leaves(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = impl Display>,
    ) -> &mut Self {
        for value in values {
            self.leaf(name, value);
        }
        self
    }

    /// A reference to an object.
    pub fn mo(&mut self, name: &'static str, object: &MoRef) -> &mut Self {
        self.open(name, &[("type", &object.kind)])
            .value(&object.id)
            .close(name)
    }

    /// One reference for each object.
    pub fn mos<'a>(
        &mut self,
        name: &'static str,
        objects: impl IntoIterator<Item = &'a MoRef>,
    ) -> &mut Self {
        for object in objects {
            self.mo(name, object);
        }
        self
    }

    /// A text where the schema permits any type.
    pub fn any_string(&mut self, name: &'static str, value: impl Display) -> &mut Self {
        self.open(name, &[("xsi:type", "xsd:string")])
            .value(value)
            .close(name)
    }

    /// `<name>…</name>`
    pub fn el(&mut self, name: &'static str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name, &[]);
        content(self);
        self.close(name)
    }

    /// `<name xsi:type="kind">…</name>`: a value of a type derived from what the schema names.
    pub fn typed(
        &mut self,
        name: &'static str,
        kind: &'static str,
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(name, &[("xsi:type", kind)]);
        content(self);
        self.close(name)
    }

    fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) -> &mut Self {
        self.raw("<").raw(name);
        for (key, value) in attributes {
            self.raw(" ").raw(key).raw("=\"").value(value).raw("\"");
        }
        self.raw(">")
    }

    fn close(&mut self, name: &'static str) -> &mut Self {
        self.raw("</").raw(name).raw(">")
    }

    fn value(&mut self, value: impl Display) -> &mut Self {
        // Writing to a `String` cannot fail, and a value whose own `Display` fails has no text.
        let _ = write!(Escaped(&mut self.text), "{value}");
        self
    }
}

// Requests carry passwords.
impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} bytes)", self.text.len())
    }
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(needs_escape) {
            let (clean, tail) = rest.split_at(at);
            self.0.push_str(clean);
            let mut chars = tail.chars();
            if let Some(char) = chars.next() {
                self.0.push_str(escape(char));
            }
            rest = chars.as_str();
        }
        self.0.push_str(rest);
        Ok(())
    }
}

fn needs_escape(char: char) -> bool {
    matches!(char, '<' | '>' | '&' | '"' | '\'' | '\u{fffe}' | '\u{ffff}') || char < ' '
}

fn escape(char: char) -> &'static str {
    match char {
        '<' => "&lt;",
        '>' => "&gt;",
        '&' => "&amp;",
        '"' => "&#34;",
        '\'' => "&#39;",
        // Readers turn bare ones into spaces or line feeds.
        '\t' => "&#x9;",
        '\n' => "&#xA;",
        '\r' => "&#xD;",
        // XML has no way to say it.
        _ => "\u{fffd}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_names_are_not() {
        let mut writer = Writer::default();
        writer
            .leaf("name", "a<b>&\"'\r\n\u{0}é")
            .opt("guestId", None::<&str>)
            .mo("pool", &MoRef::new("A\"B", "<1>"))
            .any_string("value", true)
            .typed("device", "VirtualDisk", |w| {
                w.leaf("key", 2000);
            });
        assert_eq!(
            writer.as_str(),
            "<name>a&lt;b&gt;&amp;&#34;&#39;&#xD;&#xA;\u{fffd}é</name>\
             <pool type=\"A&#34;B\">&lt;1&gt;</pool>\
             <value xsi:type=\"xsd:string\">true</value>\
             <device xsi:type=\"VirtualDisk\"><key>2000</key></device>"
        );
    }

    #[test]
    fn what_was_written_is_not_printed() {
        let mut writer = Writer::default();
        writer.leaf("password", "canary");
        assert_eq!(format!("{writer:?}"), "Writer(27 bytes)");
    }
}
