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
