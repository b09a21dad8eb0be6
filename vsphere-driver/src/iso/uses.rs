//! Who needs a file of ours.

use super::{
    destination::Destination,
    folder::File,
    image::{Image, Origin},
    mounts::Drives,
    record::{Record, Wanted},
    wishes::{IsoId, Isos},
};
use crate::{
    core::Core,
    machines::work::Work,
    soap::MoRef,
    vcenter::{VCenter, state::State},
};
use contract::v1::{Fault, Reason};
use std::{collections::BTreeSet, sync::Arc};

/// Who needs a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Names of the machines that mount it.
    pub mounted_by: Vec<String>,
    /// Names of the machines that may mount it: their drives could not be read.
    pub unread: BTreeSet<String>,
    /// Names of the machines that are being made with it in their drive.
    pub made_with: Vec<String>,
    /// ISOs that want it.
    pub wanted_by: BTreeSet<IsoId>,
}

/// Who needs a file of the folder: by what is known under each name that its vCenter goes by, and by
/// what lies in the drives of machines.
pub fn of(
    core: &Core,
    vcenter: &Arc<VCenter>,
    place: &Destination,
    (name, file): (&str, &File),
    drives: &Drives,
) -> Needs {
    let path = place.path(name);
    let mut needs = Needs {
        mounted_by: drives.mounted_by(&path).to_vec(),
        unread: drives.unread.clone(),
        ..Needs::default()
    };
    for vcenter in same(core, vcenter) {
        vcenter.read(|state| needs.add(state, place.datastore(), (&path, name, &file.record)));
    }
    needs
}

/// Who needs it by what is known under one name of the vCenter, but for what lies in drives.
pub fn in_state(state: &State, place: &Destination, (name, file): (&str, &File)) -> Needs {
    let mut needs = Needs::default();
    let path = place.path(name);
    needs.add(state, place.datastore(), (&path, name, &file.record));
    needs
}

/// ISOs that want a file of the folder.
pub fn wanted_by(
    core: &Core,
    vcenter: &Arc<VCenter>,
    place: &Destination,
    (name, file): (&str, &File),
) -> BTreeSet<IsoId> {
    let path = place.path(name);
    let which = (&*path, name, &file.record);
    let wanted = |state: &State| -> Vec<_> {
        let wanted = state.isos.needing(place.datastore(), which);
        wanted.into_iter().cloned().collect()
    };
    let all = same(core, vcenter);
    all.iter().flat_map(|it| it.read(wanted)).collect()
}

/// A vCenter under all names that it goes by, also when nobody uses this one any more.
pub fn same(core: &Core, vcenter: &Arc<VCenter>) -> Vec<Arc<VCenter>> {
    let instance = vcenter.instance();
    let mut all = core.all();
    all.retain(|it| it.instance() == instance && !Arc::ptr_eq(it, vcenter));
    all.push(Arc::clone(vcenter));
    all
}

// === impl Needs ===

impl Needs {
    /// Why the file at this path stays, if it does.
    pub fn refusal(&self, path: &str) -> Option<Fault> {
        let Self {
            mounted_by,
            unread,
            made_with,
            wanted_by,
        } = self;
        let in_use = |what: String, by: &str| {
            let fault = Fault::new(Reason::IsoInUse, what).with("path", path);
            fault.with("mounted_by", by)
        };
        if let Some(first) = mounted_by.first() {
            let what = format!("`{path}` is mounted by `{first}`");
            return Some(in_use(what, &mounted_by.join(",")));
        }
        if let Some(first) = made_with.first() {
            let what = format!("`{path}` is being put into the drive of `{first}`");
            return Some(in_use(what, &made_with.join(",")));
        }
        if !wanted_by.is_empty() {
            let all: Vec<_> = wanted_by.iter().map(IsoId::to_string).collect();
            let all = all.join(",");
            let what = format!("`{path}` is wanted by {all}");
            let fault = Fault::new(Reason::IsoWanted, what).with("path", path);
            return Some(fault.with("wanted_by", all));
        }
        let first = unread.first()?;
        let what = format!("`{path}` may be mounted by `{first}`, whose drives cannot be read");
        let all: Vec<_> = unread.iter().map(String::as_str).collect();
        Some(in_use(what, &all.join(",")))
    }

    fn add(&mut self, state: &State, datastore: &MoRef, which: (&str, &str, &Record)) {
        let wanted = state.isos.needing(datastore, which);
        self.wanted_by.extend(wanted.into_iter().cloned());
        let (path, ..) = which;
        let takes = |work: &&Work| work.is_running() && work.iso == path;
        let works = state.works().map(|(_, work)| work).filter(takes);
        self.made_with.extend(works.map(|work| work.name.clone()));
    }
}

// === impl Isos ===

impl Isos {
    /// Who wants a file of ours, sorted: because it holds what they want, or by its path.
    pub fn needing<'a>(
        &'a self,
        datastore: &MoRef,
        (path, name, record): (&'a str, &str, &Record),
    ) -> BTreeSet<&'a IsoId> {
        let mut ids = self.wanted_by(datastore, name);
        ids.extend(self.named_by(path));
        let holds = |image: &&Image| image.means(record);
        let copies = self.images().filter(holds);
        // Of one that is whole it is known which file it is.
        let copies = copies.filter_map(|image| image.copies.get(datastore));
        let looking = copies.filter(|copy| !copy.is_ready());
        ids.extend(looking.flat_map(|copy| &copy.wanted_by));
        ids
    }
}

// === impl Image ===

impl Image {
    /// Whether a file with this record is the content, as far as that is known now.
    fn means(&self, record: &Record) -> bool {
        let Origin::Url(remote) = &self.origin else {
            return false;
        };
        let revision = remote.revision();
        let content = remote.content.as_ref();
        record.is_what(&Wanted::from_source(&remote.source, &revision, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        iso::{
            record::{Fetched, Origin as RecordOrigin},
            wishes::fixtures::{at_url, caller, content, datastore, id},
        },
        machines::{vm::fixtures::key, work::fixtures::queued},
    };
    use contract::v1::{Owner, Verb};
    use prost_types::Timestamp;
    use tokio::time::Instant;

    const URL: &str = "https://images.example/agent.iso";
    const PATH: &str = "[ds] hcp-iso/agent.iso";
    const NAME: &str = "agent.iso";

    fn record(etag: &str) -> Record {
        let fetched = Fetched {
            source: URL.into(),
            address: at_url(URL, "", &[]).source.address(),
            revision: "r1".into(),
            etag: content(etag).etag,
            last_modified: None,
        };
        let (size, at) = (content(etag).length, Timestamp::default());
        let sha256 = crate::iso::digest::Digest::of(etag.as_bytes());
        Record::new(size, sha256, at, RecordOrigin::Url(fetched))
    }

    fn wanted() -> Isos {
        let mut isos = Isos::default();
        let from = at_url(URL, "r1", &[datastore(1)]);
        let whose = (&id("a"), Owner::default());
        isos.want_url(whose, from, &caller(), Instant::now());
        isos
    }

    #[test]
    fn a_file_is_wanted_by_whoever_still_looks_for_its_content() {
        let isos = wanted();
        let which = record("1");
        let needing = |datastore: &MoRef| isos.needing(datastore, (PATH, NAME, &which));
        assert_eq!(needing(&datastore(1)), BTreeSet::from([&id("a")]));
        assert_eq!(needing(&datastore(2)), BTreeSet::new());
    }

    #[test]
    fn a_file_is_not_wanted_by_whoever_looks_for_another_content() {
        let mut isos = wanted();
        let key = at_url(URL, "", &[]).image;
        let job = isos.image(&key).expect("wanted").job;
        let when = (Instant::now(), Timestamp::default());
        isos.asked(&key, job, Ok(content("2")), when);
        let (before, now) = (record("1"), record("2"));
        let needing = |record| isos.needing(&datastore(1), (PATH, NAME, record));
        assert!(needing(&before).is_empty());
        assert_eq!(needing(&now).len(), 1);
    }

    #[test]
    fn a_file_is_needed_for_as_long_as_a_machine_is_being_made_with_it() {
        let mut state = State::default();
        let work = Work {
            iso: PATH.into(),
            ..queued(Verb::Create)
        };
        let job = work.job;
        state.begin(&key(1), work);
        let needs = |state: &State| {
            let mut needs = Needs::default();
            needs.add(state, &datastore(1), (PATH, NAME, &record("1")));
            needs
        };
        assert_eq!(needs(&state).made_with.len(), 1);
        state.finish(&key(1), job, |work| work.succeed(Timestamp::default()));
        assert_eq!(needs(&state), Needs::default());
    }

    #[test]
    fn a_file_goes_only_when_surely_nobody_needs_it() {
        let some = || vec!["vm".to_owned()];
        for (needs, reason) in [
            (Needs::default(), None),
            (
                Needs {
                    mounted_by: some(),
                    ..Needs::default()
                },
                Some(Reason::IsoInUse),
            ),
            (
                Needs {
                    made_with: some(),
                    ..Needs::default()
                },
                Some(Reason::IsoInUse),
            ),
            (
                Needs {
                    wanted_by: [id("a")].into(),
                    ..Needs::default()
                },
                Some(Reason::IsoWanted),
            ),
            (
                Needs {
                    unread: ["vm".to_owned()].into(),
                    ..Needs::default()
                },
                Some(Reason::IsoInUse),
            ),
        ] {
            let refusal = needs.refusal(PATH).map(|fault| fault.reason());
            assert_eq!(refusal, reason, "{needs:?}");
        }
    }
}
