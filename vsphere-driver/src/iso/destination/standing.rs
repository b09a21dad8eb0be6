//! How a datastore stands at the moment, and whether that speaks against a file.

use crate::soap::{
    Element, MoRef,
    property_collector::{FilterSpec, ObjectContent, PropertySpec},
};
use contract::v1::{Fault, Reason};

const ACCESSIBLE: &str = "summary.accessible";
const MAINTENANCE: &str = "summary.maintenanceMode";
const FREE: &str = "summary.freeSpace";
const HOSTS: &str = "host";

/// How a datastore stands. What cannot be read does not speak against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    accessible: bool,
    in_maintenance: bool,
    writable: bool,
    free_bytes: Option<u64>,
}

// === impl Standing ===

impl Standing {
    /// What is read of a datastore. Not all of it is watched: free space changes all the time.
    pub(super) fn filter(datastore: &MoRef) -> FilterSpec {
        let properties = PropertySpec::new("Datastore", [ACCESSIBLE, MAINTENANCE, FREE, HOSTS]);
        FilterSpec::of_objects([datastore.clone()], [properties])
    }

    /// Of what was read.
    pub(super) fn of(read: &ObjectContent) -> Self {
        let maintenance = read.property(MAINTENANCE).map_or("", Element::text);
        let free = read.property(FREE).and_then(Element::as_i64);
        let accessible = read.property(ACCESSIBLE).and_then(Element::as_bool);
        Self {
            accessible: accessible.unwrap_or(true),
            in_maintenance: !matches!(maintenance, "" | "normal"),
            writable: read.property(HOSTS).is_none_or(any_writes),
            free_bytes: free.and_then(|free| u64::try_from(free).ok()),
        }
    }

    /// Why so many bytes cannot be written to it, if they cannot.
    pub(super) fn refusal(&self, datastore: &str, needed: u64) -> Option<Fault> {
        let Self {
            accessible,
            in_maintenance,
            writable,
            free_bytes,
        } = *self;
        let free = free_bytes.filter(|free| *free < needed);
        let (reason, problem) = if !accessible {
            let problem = "is not reached by its hosts".to_owned();
            (Reason::DatastoreUnavailable, problem)
        } else if in_maintenance {
            (Reason::DatastoreInMaintenance, "is in maintenance".into())
        } else if !writable {
            let problem = "is mounted read-only by each of its hosts".into();
            (Reason::DatastoreReadOnly, problem)
        } else if let Some(free) = free {
            let problem = format!("has {free} bytes free, and {needed} are needed");
            (Reason::DatastoreFull, problem)
        } else {
            return None;
        };
        let fault = Fault::new(reason, format!("datastore `{datastore}` {problem}"));
        let fault = fault.with("datastore", datastore);
        Some(match free.filter(|_| reason == Reason::DatastoreFull) {
            Some(free) => fault.with("needed_bytes", needed).with("free_bytes", free),
            None => fault,
        })
    }
}

/// Whether any of the hosts that mount it may write to it; the file service chooses one that may.
fn any_writes(hosts: &Element) -> bool {
    let mut mounts = hosts
        .children()
        .iter()
        .filter_map(|host| host.child("mountInfo"))
        .peekable();
    mounts.peek().is_none() || mounts.any(|mount| mount.str("accessMode") != Some("readOnly"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(properties: Vec<(&str, Element)>) -> ObjectContent {
        let named = |(path, value): (&str, Element)| (path.to_owned(), value);
        ObjectContent {
            object: MoRef::new("Datastore", "ds-1"),
            properties: properties.into_iter().map(named).collect(),
            missing: Vec::new(),
        }
    }

    fn text(value: &str) -> Element {
        Element::leaf("val", value)
    }

    fn hosts(modes: &[&str]) -> Element {
        let host = |mode: &&str| {
            let mode = Element::leaf("accessMode", *mode);
            let mount = Element::parent("mountInfo", vec![mode]);
            Element::parent("DatastoreHostMount", vec![mount])
        };
        Element::parent("val", modes.iter().map(host).collect())
    }

    fn refusal(properties: Vec<(&str, Element)>, needed: u64) -> Option<Reason> {
        let standing = Standing::of(&content(properties));
        let refusal = standing.refusal("/DC0/datastore/ds", needed)?;
        assert_eq!(refusal.metadata["datastore"], "/DC0/datastore/ds");
        Some(refusal.reason())
    }

    #[test]
    fn what_speaks_against_a_datastore_is_told() {
        for (why, properties, reason) in [
            ("nothing is known", vec![], None),
            (
                "not reached",
                vec![(ACCESSIBLE, text("false"))],
                Some(Reason::DatastoreUnavailable),
            ),
            (
                "in service",
                vec![(ACCESSIBLE, text("true")), (MAINTENANCE, text("normal"))],
                None,
            ),
            (
                "entering maintenance",
                vec![(MAINTENANCE, text("enteringMaintenance"))],
                Some(Reason::DatastoreInMaintenance),
            ),
            (
                "no host may write",
                vec![(HOSTS, hosts(&["readOnly", "readOnly"]))],
                Some(Reason::DatastoreReadOnly),
            ),
            (
                "one host may write",
                vec![(HOSTS, hosts(&["readOnly", "readWrite"]))],
                None,
            ),
            ("no host is told", vec![(HOSTS, hosts(&[]))], None),
            (
                "too little room",
                vec![(FREE, text("99"))],
                Some(Reason::DatastoreFull),
            ),
            ("just enough room", vec![(FREE, text("100"))], None),
        ] {
            assert_eq!(refusal(properties, 100), reason, "{why}");
        }
    }

    #[test]
    fn a_full_datastore_is_told_with_its_figures() {
        let standing = Standing::of(&content(vec![(FREE, text("99"))]));
        let refusal = standing.refusal("ds", 100).expect("full");
        let figures = ["needed_bytes", "free_bytes"].map(|key| &*refusal.metadata[key]);
        assert_eq!(figures, ["100", "99"]);
    }
}
