//! Which calls changed what, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A call that changes something, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// Its method.
    pub method: String,
    /// What it names: ids of machines, and the name of one that is to be made.
    pub objects: Vec<String>,
}

/// All of them since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal(pub Vec<Change>);

/// Methods that end like those that change something, and do not.
const TASKS_THAT_READ: [&str; 2] = ["SearchDatastore_Task", "SearchDatastoreSubFolders_Task"];

/// How the other methods begin that change something: of SOAP, of HTTP, of gRPC.
const CHANGING: [&str; 9] = [
    "CreateDirectory",
    "CreateFolder",
    "MakeDirectory",
    "HTTP PUT",
    "HTTP POST",
    "HTTP DELETE",
    "Ensure",
    "DeleteVirtualMachines",
    "SetPowerState",
];

/// Whether a method changes something that others see: machines, folders, files.
pub(super) fn changes(method: &str) -> bool {
    let task = method.ends_with("_Task") && !TASKS_THAT_READ.contains(&method);
    task || CHANGING.iter().any(|begin| method.starts_with(begin))
}

impl Journal {
    /// The calls that name any of these.
    pub fn touching<'a>(
        &'a self,
        objects: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a Change> {
        let named = |change: &&Change| change.objects.iter().any(|it| objects.contains(it));
        self.0.iter().filter(named)
    }

    /// For each method and object, the most calls within any `span` of time, if more than `bound`.
    pub fn busier_than(&self, bound: usize, span: Duration) -> BTreeMap<(String, String), usize> {
        let mut calls: BTreeMap<(String, String), Vec<Instant>> = BTreeMap::new();
        for change in &self.0 {
            for object in &change.objects {
                let key = (change.method.clone(), object.clone());
                calls.entry(key).or_default().push(change.at);
            }
        }
        let most = calls
            .into_iter()
            .map(|(key, times)| (key, most(&times, span)));
        most.filter(|(_, most)| *most > bound).collect()
    }
}

/// The most of these moments, which are in order, that lie within one `span`.
fn most(times: &[Instant], span: Duration) -> usize {
    let mut most = 0;
    let mut first = 0;
    for (last, at) in times.iter().enumerate() {
        while at.duration_since(times[first]) >= span {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_told_from_what_reads() {
        for (method, changing) in [
            ("CreateVM_Task", true),
            ("PowerOnMultiVM_Task", true),
            ("Destroy_Task", true),
            ("CreateFolder", true),
            ("HTTP PUT", true),
            ("EnsureVirtualMachines", true),
            ("EnsureIso", true),
            ("DeleteVirtualMachines", true),
            ("SearchDatastore_Task", false),
            ("WaitForUpdatesEx", false),
            ("CreateContainerView", false),
            ("HTTP GET", false),
            ("WatchVirtualMachines", false),
            ("ConnectVCenter", false),
        ] {
            assert_eq!(changes(method), changing, "{method}");
        }
    }

    #[test]
    fn a_hot_loop_is_told_from_many_calls_for_many_objects() {
        let start = Instant::now();
        let change = |seconds, object: &str| Change {
            at: start + Duration::from_secs(seconds),
            method: "CreateVM_Task".to_owned(),
            objects: vec![object.to_owned()],
        };
        let calm = (0..9).map(|n| change(0, &format!("vm-{n}")));
        let hot = [0, 1, 2, 30].map(|at| change(at, "hot"));
        let journal = Journal(calm.chain(hot).collect());
        let busy = journal.busier_than(2, Duration::from_secs(10));
        let key = ("CreateVM_Task".to_owned(), "hot".to_owned());
        assert_eq!(busy, BTreeMap::from([(key, 3)]));
    }

    #[test]
    fn only_calls_that_name_an_object_touch_it() {
        let change = |object: &str| Change {
            at: Instant::now(),
            method: "Destroy_Task".to_owned(),
            objects: vec![object.to_owned()],
        };
        let journal = Journal(vec![change("vm-1"), change("vm-2")]);
        let foreign = BTreeSet::from(["vm-2".to_owned(), "vm-3".to_owned()]);
        let touched: Vec<_> = journal.touching(&foreign).collect();
        assert_eq!(touched, [&journal.0[1]]);
    }
}
