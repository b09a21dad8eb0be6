//! Which properties of which objects: `PropertyFilterSpec`.

use crate::soap::{MoRef, xml::Writer};

/// Properties of the objects of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertySpec {
    /// The type.
    pub kind: String,
    /// Paths of the properties.
    pub paths: Vec<String>,
}

/// Which properties of which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSpec {
    /// Properties, by type.
    pub properties: Vec<PropertySpec>,
    /// The objects.
    pub objects: Objects,
    /// Whether objects that do not exist are reported; else they fail the whole.
    pub report_missing: Option<bool>,
}

/// Which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objects {
    /// Those in this view at the time.
    OfView(MoRef),
    /// These.
    These(Vec<MoRef>),
}

// === impl PropertySpec ===

impl PropertySpec {
    /// These properties of the objects of this type. Without a path: none, but the objects themselves.
    pub fn new(
        kind: impl Into<String>,
        paths: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            kind: kind.into(),
            paths: paths.into_iter().map(Into::into).collect(),
        }
    }

    fn write(&self, w: &mut Writer) {
        let Self { kind, paths } = self;
        w.el("propSet", |w| {
            w.leaf("type", kind).leaves("pathSet", paths);
        });
    }
}

// === impl FilterSpec ===

impl FilterSpec {
    /// Properties of the objects in a view, whichever these are at the time.
    pub fn of_view(view: &MoRef, properties: impl IntoIterator<Item = PropertySpec>) -> Self {
        Self {
            properties: properties.into_iter().collect(),
            objects: Objects::OfView(view.clone()),
            report_missing: None,
        }
    }

    /// Properties of these objects. One that does not exist fails the call with
    /// `ManagedObjectNotFound`.
    pub fn of_objects(
        objects: impl IntoIterator<Item = MoRef>,
        properties: impl IntoIterator<Item = PropertySpec>,
    ) -> Self {
        Self {
            properties: properties.into_iter().collect(),
            objects: Objects::These(objects.into_iter().collect()),
            report_missing: None,
        }
    }

    /// The same, but an object that does not exist is left out of what is read, and reported as
    /// missing by what is watched; it does not fail the whole.
    pub fn tolerating_missing(self) -> Self {
        Self {
            report_missing: Some(true),
            ..self
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        let Self {
            properties,
            objects,
            report_missing,
        } = self;
        for spec in properties {
            spec.write(w);
        }
        match objects {
            Objects::OfView(view) => {
                w.el("objectSet", |w| write_view(w, view));
            }
            Objects::These(objects) => {
                for object in objects {
                    w.el("objectSet", |w| {
                        w.mo("obj", object).leaf("skip", false);
                    });
                }
            }
        }
        w.opt("reportMissingObjectsInResults", *report_missing);
    }
}

fn write_view(w: &mut Writer, view: &MoRef) {
    w.mo("obj", view)
        .leaf("skip", true)
        .typed("selectSet", "TraversalSpec", |w| {
            w.leaf("type", &view.kind)
                .leaf("path", "view")
                .leaf("skip", false);
        });
}
