//! Properties as they are now: `RetrieveResult`, read as it comes.

use super::update_set::MissingProperty;
use crate::soap::{
    Element, MoRef,
    xml::{Cursor, InvalidXml},
};

/// An object with the properties that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectContent {
    /// The object.
    pub object: MoRef,
    /// Its properties that have a value, by path.
    pub properties: Vec<(String, Element)>,
    /// Its properties that could not be read.
    pub missing: Vec<MissingProperty>,
}

/// A part of the result.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) token: Option<String>,
    pub(super) objects: Vec<ObjectContent>,
}

// === impl Page ===

impl Page {
    /// Reads the inside of a response. Nothing selected is no `returnval`.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, InvalidXml> {
        let mut page = Self::default();
        if cursor.child_named("returnval")?.is_none() {
            return Ok(page);
        }
        while let Some(start) = cursor.child()? {
            match &*start.name {
                "token" => page.token = Some(cursor.text()?),
                "objects" => page.objects.push(ObjectContent::read(cursor)?),
                _ => cursor.skip()?,
            }
        }
        cursor.skip()?;
        Ok(page)
    }
}

// === impl ObjectContent ===

impl ObjectContent {
    /// The value of a property.
    pub fn property(&self, path: &str) -> Option<&Element> {
        let found = self.properties.iter().find(|(name, _)| name == path);
        found.map(|(_, value)| value)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, InvalidXml> {
        let (mut object, mut properties, mut missing) = (None, Vec::new(), Vec::new());
        while let Some(start) = cursor.child()? {
            match &*start.name {
                "obj" => object = cursor.element(start)?.moref(),
                "propSet" => properties.extend(read_property(cursor)?),
                "missingSet" => {
                    let element = cursor.element(start)?;
                    missing.push(MissingProperty::of(&element));
                }
                _ => cursor.skip()?,
            }
        }
        Ok(Self {
            object: object.ok_or(InvalidXml::Missing("obj"))?,
            properties,
            missing,
        })
    }
}

fn read_property(cursor: &mut Cursor<'_>) -> Result<Option<(String, Element)>, InvalidXml> {
    let (mut name, mut value) = (None, None);
    while let Some(start) = cursor.child()? {
        match &*start.name {
            "name" => name = Some(cursor.text()?),
            "val" => value = Some(cursor.element(start)?),
            _ => cursor.skip()?,
        }
    }
    Ok(name.zip(value))
}

/// The objects of a page, for tests of what is in them.
#[cfg(test)]
pub(crate) fn read_objects(cursor: &mut Cursor<'_>) -> Result<Vec<ObjectContent>, InvalidXml> {
    Page::read(cursor).map(|page| page.objects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{
        replies,
        reply::{self, Reply},
        xml::Limits,
    };

    fn page(document: &[u8]) -> Page {
        match reply::read(document, Limits::DEFAULT, |cursor, _| Page::read(cursor)) {
            Ok(Reply::Answer(page)) => page,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_has_its_objects_and_says_that_there_is_more() {
        let page = page(&replies::recorded("retrieve"));
        let token = page.token.as_deref();
        assert_eq!(token, Some("8ea75fee-9ff8-4f61-a19f-539b0c492697"));
        let found: Vec<_> = page
            .objects
            .iter()
            .map(|object| {
                let name = object.property("name").unwrap().text();
                (
                    object.object.to_string(),
                    name,
                    object.property("parent").unwrap().moref(),
                )
            })
            .collect();
        let below = |kind: &str, id: &str| Some(MoRef::new(kind, id));
        assert_eq!(
            found,
            [
                (
                    "Datacenter:datacenter-1".into(),
                    "DC0",
                    below("Folder", "group-d1")
                ),
                (
                    "Folder:group-2".into(),
                    "vm",
                    below("Datacenter", "datacenter-1")
                ),
                (
                    "Folder:group-3".into(),
                    "host",
                    below("Datacenter", "datacenter-1")
                ),
            ]
        );
    }

    #[test]
    fn nothing_found_is_an_empty_page() {
        let nothing = "<s:Envelope xmlns:s='s'><s:Body><R></R></s:Body></s:Envelope>";
        let page = page(nothing.as_bytes());
        assert!(page.objects.is_empty() && page.token.is_none());
    }
}
