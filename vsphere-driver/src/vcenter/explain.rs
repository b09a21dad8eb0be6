//! What a failed call to vCenter means in the words of the contract.

use crate::{
    inventory::properties::kind_of,
    soap::{Error, VimFault},
};
use contract::{
    reason,
    v1::{Fault, Reason},
};

/// The fault for a call that failed while `doing` something, `creating pool-n01`.
pub fn of_error(error: &Error, doing: &str, server: &str) -> Fault {
    match error {
        Error::Fault(fault) => of_vim(fault, doing, None),
        Error::Unreachable { .. } | Error::Lost { .. } => {
            let what = format!(
                "{doing}: no connection to vCenter {server} ({})",
                cause(error)
            );
            Fault::new(Reason::VcenterUnreachable, what).with("server", server)
        }
        Error::Busy {
            status,
            retry_after,
            ..
        } => {
            let what = format!("{doing}: vCenter {server} answered HTTP {status}");
            let fault = Fault::new(Reason::VcenterUnreachable, what).with("server", server);
            retry_after.map_or(fault.clone(), |wait| fault.after(wait))
        }
        Error::Untrusted(untrusted) => {
            let what = format!(
                "{doing}: the certificate of {server} is not trusted: {} (its SHA-256 is {})",
                untrusted.problem, untrusted.sha256_thumbprint
            );
            Fault::new(Reason::VcenterTlsUntrusted, what)
                .with("server", server)
                .with("sha256_thumbprint", &untrusted.sha256_thumbprint)
                .with("problem", &untrusted.problem)
        }
        Error::Refused { method, .. } | Error::BadReply { method, .. } => {
            let what = format!(
                "{doing}: vCenter {server} gave no usable reply ({})",
                cause(error)
            );
            Fault::new(Reason::VcenterBadReply, what)
                .with("server", server)
                .with("method", method)
        }
    }
}

/// What a fault says beside its type: a key of our metadata, and where vSphere has it. A key that the
/// reason does not list is left out.
const DETAILS: [(&str, &str); 14] = [
    ("name", "name"),
    // An InvalidDatastore has its name and a reference that is called `datastore`, which it may leave out.
    ("datastore", "name"),
    ("datastore", "datastoreName"),
    ("datastore", "datastore"),
    ("path", "file"),
    ("property", "invalidProperty"),
    ("property", "property"),
    ("device", "deviceIndex"),
    ("power_state", "existingState"),
    ("task", "task"),
    ("source", "source"),
    ("asked", "requested"),
    ("available", "unreserved"),
    ("host", "hostName"),
];

/// The fault for a vSphere fault that came while `doing` something, about the object at `path`.
pub fn of_vim(fault: &VimFault, doing: &str, path: Option<&str>) -> Fault {
    // A session that is lost again and again says nothing about privileges, which its base type does.
    let known = !fault.is_not_authenticated();
    let mut types = fault.types().filter(|_| known);
    let found = types.find_map(reason::of_vsphere_fault);
    let reason = found.unwrap_or(Reason::VsphereFault);
    let text = if fault.message.is_empty() {
        &fault.type_name
    } else {
        &fault.message
    };
    let mut what = format!("{doing}: vCenter says: {text} ({})", fault.type_name);
    let mut fields = Vec::new();
    if let Some(privilege) = fault.privileges().next().filter(|_| known) {
        what = format!("{doing}: the account lacks the privilege {privilege}");
        fields.push(("privilege", privilege));
    }
    let object = fault.object();
    if let Some(object) = &object {
        let kind = kind_of(object);
        what = match path {
            Some(path) => format!("{what} on the {kind} `{path}` ({})", object.id),
            None => format!("{what} on the {kind} `{}`", object.id),
        };
        fields.push(("object", &object.id));
        fields.extend(path.map(|path| ("path", path)));
    }
    let details = DETAILS.iter().map(|(key, at)| (*key, fault.detail.str(at)));
    fields.extend(details.filter_map(|(key, value)| Some((key, value?))));
    let known = reason.row().metadata;
    let mut explained = Fault::new(reason, what);
    for (key, value) in fields {
        if known.contains(&key) && !value.is_empty() && !explained.metadata.contains_key(key) {
            explained = explained.with(key, value);
        }
    }
    explained.because_of(&*fault.type_name)
}

/// The innermost cause of an error: the others say only that it is one.
pub fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{Element, xml::Limits};

    fn fault(xml: &str) -> VimFault {
        let fault = format!("<Fault><faultstring/><detail>{xml}</detail></Fault>");
        VimFault::of_soap(&Element::parse(fault.as_bytes(), Limits::DEFAULT).expect("whole"))
    }

    #[test]
    fn a_lost_session_is_not_a_missing_privilege() {
        let lost = fault(
            "<NotAuthenticatedFault><privilegeId>System.View</privilegeId></NotAuthenticatedFault>",
        );
        let told = of_vim(&lost, "looking", None);
        assert_eq!(told.reason(), Reason::VsphereFault);
        assert!(!told.message.contains("lacks"), "{}", told.message);
    }

    #[test]
    fn a_missing_privilege_is_told_with_the_path_of_the_object() {
        let denied = fault(
            "<NoPermissionFault><object type=\"Folder\">group-v3</object>\
             <privilegeId>Folder.Create</privilegeId></NoPermissionFault>",
        );
        let told = of_vim(&denied, "making", Some("/DC0/vm"));
        let metadata: Vec<_> = told.metadata.values().map(String::as_str).collect();
        assert_eq!(metadata, ["group-v3", "/DC0/vm", "Folder.Create"]);
        let begin = "making: the account lacks the privilege Folder.Create on the folder `/DC0/vm` (group-v3)";
        assert!(told.message.starts_with(begin), "{}", told.message);
    }
}
