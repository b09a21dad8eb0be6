//! What vCenter says when it refuses a call, or when a task fails.

use super::{Element, MoRef};
use std::fmt;

/// Each fault type of the API and the type that it extends: `NotAuthenticated NoPermission`.
const BASES: &str = include_str!("../../vectors/faults.txt");

/// A fault of the vSphere API. Tell them apart by type, never by message: messages are translated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VimFault {
    /// Its exact type: `NoPermission`. Empty if the server did not say.
    pub type_name: Box<str>,
    /// What vCenter says about it. May be empty.
    pub message: Box<str>,
    /// Its properties.
    pub detail: Element,
}

// === impl VimFault ===

impl VimFault {
    /// Of the `Fault` in a SOAP body.
    pub fn of_soap(fault: &Element) -> Self {
        let detail = fault
            .child("detail")
            .and_then(|detail| detail.children().first());
        let message = fault.str("faultstring").unwrap_or_default();
        Self::new(detail.cloned().unwrap_or_default(), message)
    }

    /// Of a `LocalizedMethodFault`: the error of a task, the reason why a property is missing.
    pub fn of_localized(error: &Element) -> Self {
        let detail = error.child("fault").cloned().unwrap_or_default();
        Self::new(detail, error.str("localizedMessage").unwrap_or_default())
    }

    fn new(detail: Element, message: &str) -> Self {
        let said = || detail.str("faultMessage.message").unwrap_or_default();
        let message = if message.is_empty() { said() } else { message };
        Self {
            type_name: type_of(&detail).into(),
            message: message.into(),
            detail,
        }
    }

    /// Is it of exactly this type?
    pub fn is(&self, type_name: &str) -> bool {
        &*self.type_name == type_name
    }

    /// Is it of this type or of one that extends it?
    pub fn is_a(&self, type_name: &str) -> bool {
        self.types().any(|found| found == type_name)
    }

    /// Its type, then the types that it extends, nearest first; no more than the type if that is new to us.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(&*self.type_name), |name| base_of(name))
    }

    /// Its type, if that is one of the API's.
    pub fn known_type(&self) -> Option<&'static str> {
        let names = BASES.lines().filter_map(|line| line.split_once(' '));
        names.map(|(name, _)| name).find(|name| self.is(name))
    }

    /// No session, or no longer. It extends `NoPermission`, which must not be looked for first.
    pub fn is_not_authenticated(&self) -> bool {
        self.is("NotAuthenticated")
    }

    /// The object that it is about.
    pub fn object(&self) -> Option<MoRef> {
        ["obj", "object", "missingPrivileges.entity"]
            .iter()
            .find_map(|path| self.detail.moref_at(path))
    }

    /// The privileges that are missing, of a `NoPermission`.
    pub fn privileges(&self) -> impl Iterator<Item = &str> {
        let missing = self.detail.all("missingPrivileges");
        let listed = missing.flat_map(|missing| missing.all("privilegeIds"));
        let mut seen = Vec::new();
        let all = self.detail.all("privilegeId").chain(listed);
        all.map(Element::text).filter(move |name| {
            let new = !name.is_empty() && !seen.contains(name);
            seen.push(name);
            new
        })
    }

    /// The name that is taken, of a `DuplicateName`.
    pub fn name(&self) -> Option<&str> {
        self.detail.str("name")
    }

    /// The file, of a `FileFault`, as the server writes it.
    pub fn file(&self) -> Option<&str> {
        self.detail.str("file")
    }

    /// The property, of an `InvalidArgument` or an `InvalidDeviceSpec`.
    pub fn property(&self) -> Option<&str> {
        ["invalidProperty", "property"]
            .iter()
            .find_map(|name| self.detail.str(name))
    }

    /// The index of the device, of an `InvalidDeviceSpec`.
    pub fn device_index(&self) -> Option<i64> {
        self.detail.i64("deviceIndex")
    }

    /// The present power state, of an `InvalidPowerState`.
    pub fn existing_state(&self) -> Option<&str> {
        self.detail.str("existingState")
    }

    /// The task that is in the way, of a `TaskInProgress`.
    pub fn task(&self) -> Option<MoRef> {
        self.detail.moref_at("task")
    }

    /// The fault behind it.
    pub fn cause(&self) -> Option<Self> {
        self.detail.child("faultCause").map(Self::of_localized)
    }
}

impl fmt::Display for VimFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.type_name, &*self.message) {
            ("", "") => f.write_str("fault without a type"),
            ("", text) | (text, "") => f.write_str(text),
            (type_name, message) => write!(f, "{type_name}: {message}"),
        }
    }
}

impl std::error::Error for VimFault {}

/// The type of a fault's detail. Old servers leave it to the name of the element.
fn type_of(detail: &Element) -> &str {
    match detail.xsi_type() {
        "" => detail.name().strip_suffix("Fault").unwrap_or(""),
        type_name => type_name,
    }
}

/// The fault type that this one extends.
fn base_of(type_name: &str) -> Option<&'static str> {
    BASES
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(name, base)| (name == type_name).then_some(base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{replies, xml::Limits};

    #[test]
    fn each_recorded_fault_has_its_type_and_what_it_is_about() {
        for (reply, shown, object, name) in [
            (
                "not_authenticated",
                "NotAuthenticated",
                Some("ServiceInstance:ServiceInstance"),
                None,
            ),
            ("invalid_login", "InvalidLogin: Login failure", None, None),
            (
                "duplicate_name",
                "DuplicateName",
                Some("Folder:group-61"),
                Some("f1"),
            ),
            (
                "object_not_found",
                "ManagedObjectNotFound: managed object not found: VirtualMachine:vm-99999",
                Some("VirtualMachine:vm-99999"),
                None,
            ),
            (
                "no_permission",
                "NoPermission: Permission to perform this operation was denied.",
                Some("Folder:group-v3"),
                None,
            ),
        ] {
            let fault = replies::fault(reply);
            assert_eq!(fault.to_string(), shown, "{reply}");
            let found = fault.object().map(|object| object.to_string());
            assert_eq!((found.as_deref(), fault.name()), (object, name), "{reply}");
        }
    }

    #[test]
    fn no_session_is_not_taken_for_a_missing_privilege() {
        let (session, privilege) = (
            replies::fault("not_authenticated"),
            replies::fault("no_permission"),
        );
        assert!(session.is_not_authenticated() && session.is_a("NoPermission"));
        assert!(!session.is("NoPermission"));
        assert!(privilege.is("NoPermission") && !privilege.is_not_authenticated());
    }

    #[test]
    fn each_missing_privilege_is_named_once() {
        let fault = replies::fault("no_permission");
        let privileges: Vec<_> = fault.privileges().collect();
        assert_eq!(
            privileges,
            [
                "VirtualMachine.Inventory.Create",
                "VirtualMachine.Config.AddNewDisk"
            ]
        );
    }

    #[test]
    fn the_error_of_a_task_is_a_fault_with_its_properties() {
        let failed = VimFault::of_localized(&replies::property("task_failed", "info.error"));
        assert_eq!(
            (&*failed.type_name, failed.existing_state()),
            ("InvalidPowerState", Some("poweredOn"))
        );
        let missing =
            VimFault::of_localized(&replies::property("files_folder_missing", "info.error"));
        let types: Vec<_> = missing.types().collect();
        assert_eq!(
            types,
            ["FileNotFound", "FileFault", "VimFault", "MethodFault"]
        );
        assert_eq!(missing.file(), Some("nope"));
    }

    #[test]
    fn a_fault_of_a_type_that_is_not_known_keeps_its_name() {
        let xml = "<Fault><faultstring>new</faultstring><detail><ReallyNewFault/></detail></Fault>";
        let fault = Element::parse(xml.as_bytes(), Limits::DEFAULT).unwrap();
        let fault = VimFault::of_soap(&fault);
        assert_eq!(fault.to_string(), "ReallyNew: new");
        assert_eq!(fault.types().collect::<Vec<_>>(), ["ReallyNew"]);
        assert_eq!(VimFault::default().to_string(), "fault without a type");
    }

    #[test]
    fn the_types_that_reasons_are_given_for_exist() {
        for row in contract::reason::TABLE {
            for fault in row.faults {
                assert!(base_of(fault).is_some(), "{} lists {fault}", row.name);
            }
        }
    }
}
