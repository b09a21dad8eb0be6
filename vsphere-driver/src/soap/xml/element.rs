//! An element as a tree: for the values of properties, faults and small replies.

use super::{Cursor, InvalidXml, Limits, Start};
use crate::soap::MoRef;

/// An element, with what is in it. Nothing in it is required to be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    start: Start,
    text: Box<str>,
    children: Vec<Element>,
}

// === impl Element ===

impl Element {
    pub(super) fn new(start: Start, text: String, children: Vec<Self>) -> Self {
        // What stands between children is indentation.
        let text = if children.is_empty() {
            text.into()
        } else {
            Box::default()
        };
        Self {
            start,
            text,
            children,
        }
    }

    /// An element with this text.
    pub fn leaf(name: impl Into<Box<str>>, text: impl Into<String>) -> Self {
        Self::new(Start::named(name), text.into(), Vec::new())
    }

    /// An element with these children.
    pub fn parent(name: impl Into<Box<str>>, children: Vec<Self>) -> Self {
        Self::new(Start::named(name), String::new(), children)
    }

    /// An element that refers to this object.
    pub fn reference(name: impl Into<Box<str>>, object: &MoRef) -> Self {
        let start = Start {
            ref_type: Some(object.kind.clone()),
            ..Start::named(name)
        };
        Self::new(start, object.id.clone().into(), Vec::new())
    }

    /// The same, as a value of this type.
    pub fn of_type(mut self, xsi_type: impl Into<Box<str>>) -> Self {
        self.start.xsi_type = Some(xsi_type.into());
        self
    }

    /// Reads a whole document.
    pub fn parse(document: &[u8], limits: Limits) -> Result<Self, InvalidXml> {
        let mut cursor = Cursor::new(document, limits)?;
        let root = cursor.root()?;
        let element = cursor.element(root)?;
        cursor.finish()?;
        Ok(element)
    }

    /// Its name, without prefix.
    pub fn name(&self) -> &str {
        &self.start.name
    }

    /// The type of its value, without prefix; empty where the schema leaves no choice.
    pub fn xsi_type(&self) -> &str {
        self.start.xsi_type.as_deref().unwrap_or_default()
    }

    /// Its text; empty if it has children.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its children, in order.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// Its first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name() == name)
    }

    /// Its children of this name: the items of an array property.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children
            .iter()
            .filter(move |child| child.name() == name)
    }

    /// Takes its first child of this name out.
    pub fn take(&mut self, name: &str) -> Option<Self> {
        let at = self
            .children
            .iter()
            .position(|child| child.name() == name)?;
        Some(self.children.remove(at))
    }

    /// The element that is reached by these names, joined by dots: `info.error.fault`.
    pub fn path(&self, path: &str) -> Option<&Self> {
        path.split('.')
            .try_fold(self, |element, name| element.child(name))
    }

    /// The text at a path.
    pub fn str(&self, path: &str) -> Option<&str> {
        self.path(path).map(Self::text)
    }

    /// The number at a path.
    pub fn i64(&self, path: &str) -> Option<i64> {
        self.path(path)?.as_i64()
    }

    /// The number that is its text.
    pub fn as_i64(&self) -> Option<i64> {
        self.text.trim().parse().ok()
    }

    /// The truth value at a path.
    pub fn bool(&self, path: &str) -> Option<bool> {
        self.path(path)?.as_bool()
    }

    /// The truth value that is its text.
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// The object that it refers to.
    pub fn moref(&self) -> Option<MoRef> {
        let kind = self.start.ref_type.clone()?;
        (!self.text.is_empty()).then(|| MoRef::new(kind, &*self.text))
    }

    /// The object that the element at a path refers to.
    pub fn moref_at(&self, path: &str) -> Option<MoRef> {
        self.path(path)?.moref()
    }

    /// The objects that its children refer to: an array of references.
    pub fn morefs(&self) -> impl Iterator<Item = MoRef> {
        self.children.iter().filter_map(Self::moref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_that_was_put_together_is_the_one_that_is_read() {
        let xml = r#"<v xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="T"><a>1</a><m type="Task">t-1</m></v>"#;
        let read = Element::parse(xml.as_bytes(), Limits::DEFAULT).unwrap();
        let task = MoRef::new("Task", "t-1");
        let children = vec![Element::leaf("a", "1"), Element::reference("m", &task)];
        assert_eq!(Element::parent("v", children).of_type("T"), read);
    }

    #[test]
    fn the_parts_of_an_element_are_found() {
        let xml = r#"<?xml version="1.0"?>
            <v:val xmlns:v="urn:vim25" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"
                   i:type="v:ArrayOfManagedObjectReference" other:type="x" xmlns:other="urn:x">
              <v:ManagedObjectReference type="Datastore" i:type="v:ManagedObjectReference">datastore-1</v:ManagedObjectReference>
              <n><m> 7 </m><t>true</t><e/></n>
              <ManagedObjectReference type="Datastore">datastore-2</ManagedObjectReference>
            </v:val>"#;
        let val = Element::parse(xml.as_bytes(), Limits::DEFAULT).unwrap();
        assert_eq!(val.xsi_type(), "ArrayOfManagedObjectReference");
        assert_eq!((val.text(), val.children().len()), ("", 3));
        let found: Vec<_> = val.morefs().map(|object| object.to_string()).collect();
        assert_eq!(found, ["Datastore:datastore-1", "Datastore:datastore-2"]);
        assert_eq!(
            (
                val.i64("n.m"),
                val.bool("n.t"),
                val.str("n.e"),
                val.str("n.x")
            ),
            (Some(7), Some(true), Some(""), None)
        );
        assert_eq!(val.all("ManagedObjectReference").count(), 2);
    }
}
