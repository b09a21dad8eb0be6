//! Changes of properties: `UpdateSet`, read as it comes.

use crate::soap::{
    Element, MoRef, VimFault,
    xml::{Cursor, InvalidXml, Start},
};

/// What changed, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateSet {
    /// To be given to the next call.
    pub version: String,
    /// There is more; the next call gives it at once.
    pub truncated: bool,
    /// What changed, by filter.
    pub filters: Vec<FilterUpdate>,
}

/// What changed for one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterUpdate {
    /// The filter.
    pub filter: MoRef,
    /// Objects that came, changed or went.
    pub objects: Vec<ObjectUpdate>,
    /// Objects that were named in the filter and cannot be read.
    pub missing: Vec<MissingObject>,
}

/// How an object changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectChange {
    /// It came into sight; its changes are all its properties. Of an object that is known already,
    /// this is a [`Modify`](Self::Modify).
    Enter,
    /// Properties changed.
    Modify,
    /// It went out of sight: deleted, moved away or no longer permitted.
    Leave,
}

/// What changed of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectUpdate {
    /// How it changed.
    pub kind: ObjectChange,
    /// The object.
    pub object: MoRef,
    /// Its changed properties, in the order in which they are to be taken in.
    pub changes: Vec<PropertyChange>,
    /// Its properties that cannot be read.
    pub missing: Vec<MissingProperty>,
}

/// How a property changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOp {
    /// It has this value, or none if there is none.
    Assign,
    /// This item was added to it.
    Add,
    /// This item was removed from it.
    Remove,
    /// What it was part of is gone.
    IndirectRemove,
}

/// A changed property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyChange {
    /// Which one: `runtime.powerState`, `config.extraConfig["key"]`.
    pub path: String,
    /// How it changed.
    pub op: ChangeOp,
    /// Its value.
    pub value: Option<Element>,
}

/// A property that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProperty {
    /// Which one.
    pub path: String,
    /// Why.
    pub fault: VimFault,
}

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingObject {
    /// Which one.
    pub object: MoRef,
    /// Why.
    pub fault: VimFault,
}

// === impl UpdateSet ===

impl UpdateSet {
    /// Reads the inside of a response. Nothing changed is no `returnval`.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, InvalidXml> {
        if cursor.child_named("returnval")?.is_none() {
            return Ok(None);
        }
        let mut set = Self::default();
        let mut version = None;
        while let Some(start) = cursor.child()? {
            match &*start.name {
                "version" => version = Some(cursor.text()?),
                "truncated" => set.truncated = cursor.text()? == "true",
                "filterSet" => set.filters.push(FilterUpdate::read(cursor)?),
                _ => cursor.skip()?,
            }
        }
        cursor.skip()?;
        set.version = version.ok_or(InvalidXml::Missing("version"))?;
        Ok(Some(set))
    }
}

// === impl FilterUpdate ===

impl FilterUpdate {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, InvalidXml> {
        let (mut filter, mut objects, mut missing) = (None, Vec::new(), Vec::new());
        while let Some(start) = cursor.child()? {
            match &*start.name {
                "filter" => filter = read_moref(cursor, start)?,
                "objectSet" => objects.extend(ObjectUpdate::read(cursor)?),
                "missingSet" => missing.extend(MissingObject::of(&cursor.element(start)?)),
                _ => cursor.skip()?,
            }
        }
        Ok(Self {
            filter: filter.ok_or(InvalidXml::Missing("filter"))?,
            objects,
            missing,
        })
    }
}

fn read_moref(cursor: &mut Cursor<'_>, start: Start) -> Result<Option<MoRef>, InvalidXml> {
    let kind = start.ref_type;
    let id = cursor.text()?;
    Ok(kind.map(|kind| MoRef::new(kind, id)))
}

// === impl ObjectUpdate ===

impl ObjectUpdate {
    /// Reads an update; `None` if it is of a kind that is not known.
    fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, InvalidXml> {
        let (mut kind, mut object) = (None, None);
        let (mut changes, mut missing) = (Vec::new(), Vec::new());
        while let Some(start) = cursor.child()? {
            match &*start.name {
                "kind" => kind = ObjectChange::of(&cursor.text()?),
                "obj" => object = read_moref(cursor, start)?,
                "changeSet" => changes.extend(PropertyChange::read(cursor)?),
                "missingSet" => {
                    let element = cursor.element(start)?;
                    missing.push(MissingProperty::of(&element));
                }
                _ => cursor.skip()?,
            }
        }
        let object = object.ok_or(InvalidXml::Missing("obj"))?;
        Ok(kind.map(|kind| Self {
            kind,
            object,
            changes,
            missing,
        }))
    }
}

// === impl ObjectChange ===

impl ObjectChange {
    fn of(word: &str) -> Option<Self> {
        match word {
            "enter" => Some(Self::Enter),
            "modify" => Some(Self::Modify),
            "leave" => Some(Self::Leave),
            _ => None,
        }
    }
}

// === impl ChangeOp ===

impl ChangeOp {
    fn of(word: &str) -> Option<Self> {
        match word {
            "assign" => Some(Self::Assign),
            "add" => Some(Self::Add),
            "remove" => Some(Self::Remove),
            "indirectRemove" => Some(Self::IndirectRemove),
            _ => None,
        }
    }
}

// === impl PropertyChange ===

impl PropertyChange {
    /// Reads a change; `None` if it is of a kind that is not known.
    fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, InvalidXml> {
        let (mut path, mut op, mut value) = (None, None, None);
        while let Some(start) = cursor.child()? {
            match &*start.name {
                "name" => path = Some(cursor.text()?),
                "op" => op = ChangeOp::of(&cursor.text()?),
                "val" => value = Some(cursor.element(start)?),
                _ => cursor.skip()?,
            }
        }
        let path = path.ok_or(InvalidXml::Missing("name"))?;
        Ok(op.map(|op| Self { path, op, value }))
    }
}

// === impl MissingProperty ===

impl MissingProperty {
    pub(super) fn of(element: &Element) -> Self {
        let fault = element.child("fault");
        Self {
            path: element.str("path").unwrap_or_default().to_owned(),
            fault: fault.map(VimFault::of_localized).unwrap_or_default(),
        }
    }
}

// === impl MissingObject ===

impl MissingObject {
    fn of(element: &Element) -> Option<Self> {
        let fault = element.child("fault");
        Some(Self {
            object: element.moref_at("obj")?,
            fault: fault.map(VimFault::of_localized).unwrap_or_default(),
        })
    }
}

/// An update set, for tests of what is in it.
#[cfg(test)]
pub(crate) fn read_updates(cursor: &mut Cursor<'_>) -> Result<Option<UpdateSet>, InvalidXml> {
    UpdateSet::read(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::replies;

    fn vm(number: u8) -> MoRef {
        MoRef::new("VirtualMachine", format!("vm-{number}"))
    }

    #[test]
    fn a_truncated_set_has_its_objects_and_says_that_there_is_more() {
        let set = replies::updates("updates");
        assert_eq!((&*set.version, set.truncated), ("-", true));
        let [filter] = &set.filters[..] else {
            panic!("{set:?}")
        };
        let [update] = &filter.objects[..] else {
            panic!("{filter:?}")
        };
        assert_eq!(
            (update.kind, &update.object),
            (ObjectChange::Enter, &vm(63))
        );
        let values: Vec<_> = update
            .changes
            .iter()
            .map(|change| (&*change.path, change.op, change.value.as_ref().unwrap()))
            .map(|(path, op, value)| (path, op, value.xsi_type(), value.text()))
            .collect();
        assert_eq!(
            values,
            [
                ("name", ChangeOp::Assign, "string", "n0000"),
                (
                    "runtime.powerState",
                    ChangeOp::Assign,
                    "VirtualMachinePowerState",
                    "poweredOn"
                ),
                (
                    r#"config.extraConfig["hcp-vsphere.slot"]"#,
                    ChangeOp::Assign,
                    "OptionValue",
                    ""
                ),
                (
                    "config.files",
                    ChangeOp::Assign,
                    "VirtualMachineFileInfo",
                    ""
                ),
            ]
        );
        let slot = update.changes[2].value.as_ref().unwrap().str("value");
        assert_eq!(slot, Some("0"));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_what_is_not_known_is_skipped() {
        let set = replies::updates("updates_missing");
        assert_eq!((&*set.version, set.truncated), ("8", false));
        let FilterUpdate {
            filter,
            objects,
            missing,
        } = &set.filters[0];
        assert_eq!(filter, &MoRef::new("PropertyFilter", "session[1]f"));
        assert_eq!(missing[0].object, vm(4));
        assert!(missing[0].fault.is("ManagedObjectNotFound"));

        let kinds: Vec<_> = objects.iter().map(|o| (o.kind, o.object.clone())).collect();
        assert_eq!(
            kinds,
            [(ObjectChange::Modify, vm(1)), (ObjectChange::Leave, vm(3))]
        );
        let ObjectUpdate {
            changes, missing, ..
        } = &objects[0];
        let removed = PropertyChange {
            path: "config.files".into(),
            op: ChangeOp::IndirectRemove,
            value: None,
        };
        assert_eq!(changes[..], [removed]);
        assert_eq!(missing[0].path, r#"config.extraConfig["a"]"#);
        assert_eq!(missing[0].fault.to_string(), "NoPermission: no");
    }
}
