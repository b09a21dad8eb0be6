//! ISOs and files as replies show them.

use super::{
    folder::{File, Folder},
    garbage,
    image::{Copy, Image, Origin, Stage},
    wishes::{IsoId, Wanted, Wish},
};
use crate::{soap::MoRef, vcenter::state::State};
use contract::v1::{Fault, InventoryObject, Iso, IsoFile, IsoKey, IsoOrigin, IsoState, Reason};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How many of those who want or mount a file are shown.
const SHOWN: usize = 20;

/// Machines that mount files, by the files' paths.
pub type Mounts = BTreeMap<String, Vec<String>>;

/// What our machines mount, as far as it was read.
pub fn mounts(state: &State) -> Mounts {
    let mut mounts = Mounts::new();
    for (_, vm) in state.vms() {
        let iso = vm.devices.as_ref().map(|devices| &devices.mounted_iso);
        if let Some(path) = iso.filter(|path| !path.is_empty()) {
            mounts
                .entry(path.clone())
                .or_default()
                .push(vm.name.clone());
        }
    }
    mounts
}

/// The ISO of this key.
pub fn iso(state: &State, id: &IsoId, mounts: &Mounts) -> Option<Iso> {
    let Wish { owner, wanted } = state.isos.wish(id)?;
    let revision = i64::try_from(state.isos.changes.revision(id)).unwrap_or(i64::MAX);
    let iso = match wanted {
        Wanted::There(iso) => Iso::clone(iso),
        Wanted::Image { image, datastores } => {
            let image = state.isos.image(image)?;
            of_image(state, image, (id, datastores), mounts)
        }
    };
    Some(Iso {
        key: Some(id.key()),
        owner: Some(owner.clone()),
        revision,
        ..iso
    })
}

fn of_image(
    state: &State,
    image: &Image,
    (id, datastores): (&IsoId, &[MoRef]),
    mounts: &Mounts,
) -> Iso {
    let known = Known::of(image, id);
    let copies = datastores
        .iter()
        .filter_map(|it| Some((it, image.copies.get(it)?)));
    let shown = |(datastore, copy): (&MoRef, &Copy)| {
        let stored = copy.stored();
        // Another source may have led to the same file.
        let by_all = stored.map(|stored| state.isos.wanted_by(datastore, &stored.file));
        let wanted_by = by_all.unwrap_or_else(|| copy.wanted_by.iter().collect());
        let datastore = state.inventory.describe(datastore);
        file(datastore, (copy, &wanted_by), &known, mounts)
    };
    let files: Vec<_> = copies.clone().map(shown).collect();
    let how_far = known.fault.as_ref().map_or_else(|| least(&files), state_of);
    let broken = || files.iter().find_map(|file| file.fault.clone());
    let fault = known.fault.clone().or_else(broken);
    let stored = copies.clone().find_map(|(_, copy)| copy.stored());
    let stored = stored.filter(|_| known.is_confirmed);
    let operations = copies.filter_map(|(_, copy)| copy.operation.clone());
    let size = stored.map_or(known.size, |stored| stored.size_bytes);
    Iso {
        origin: known.origin.into(),
        source: known.source,
        state: how_far.into(),
        operation: operations.min_by_key(|operation| operation.ended_at.is_some()),
        fault,
        size_bytes: signed(size),
        sha256: stored
            .map(|stored| stored.sha256.to_string())
            .unwrap_or_default(),
        files,
        checked_at: known.checked_at,
        source_revision: if how_far == IsoState::Ready {
            known.revision
        } else {
            String::new()
        },
        ..Iso::default()
    }
}

/// What is known of a content, from the view of one who wants it.
struct Known {
    origin: IsoOrigin,
    source: String,
    /// The content is the one that is meant.
    is_confirmed: bool,
    fault: Option<Fault>,
    size: u64,
    checked_at: Option<prost_types::Timestamp>,
    revision: String,
}

impl Known {
    fn of(image: &Image, id: &IsoId) -> Self {
        match &image.origin {
            Origin::Upload(label) => Self {
                origin: IsoOrigin::Upload,
                source: label.clone(),
                is_confirmed: true,
                fault: None,
                size: 0,
                checked_at: None,
                revision: String::new(),
            },
            Origin::Url(remote) => {
                let is_confirmed = remote.is_confirmed(id);
                Self {
                    origin: IsoOrigin::Url,
                    source: remote.source.masked().to_owned(),
                    is_confirmed,
                    // A source that is away takes nothing from a content that is known.
                    fault: remote.fault.clone().filter(|_| !is_confirmed),
                    size: remote.content.as_ref().map_or(0, |content| content.length),
                    checked_at: remote.checked_at,
                    revision: remote.revisions.get(id).cloned().unwrap_or_default(),
                }
            }
        }
    }
}

fn file(
    datastore: InventoryObject,
    (copy, wanted_by): (&Copy, &BTreeSet<&IsoId>),
    known: &Known,
    mounts: &Mounts,
) -> IsoFile {
    let stored = copy.stored().filter(|_| known.is_confirmed);
    let (state, transferred) = match (&copy.stage, &copy.fault) {
        (_, Some(fault)) => (state_of(fault), 0),
        (Stage::Transferring(bytes), None) => (IsoState::Transferring, *bytes),
        (Stage::Verifying(bytes), None) => (IsoState::Verifying, *bytes),
        (Stage::Ready(stored), None) if known.is_confirmed => (IsoState::Ready, stored.size_bytes),
        // A file that may be of yesterday's content is not what is wanted yet.
        (Stage::Pending | Stage::Ready(_), None) => (IsoState::Pending, 0),
    };
    let path = stored.map(|stored| stored.path.clone()).unwrap_or_default();
    let mounted_by = mounts.get(&path).map_or(&[][..], Vec::as_slice);
    IsoFile {
        datastore: Some(datastore),
        state: state.into(),
        size_bytes: signed(stored.map_or(0, |stored| stored.size_bytes)),
        transferred_bytes: signed(transferred),
        sha256: stored
            .map(|stored| stored.sha256.to_string())
            .unwrap_or_default(),
        origin: known.origin.into(),
        wanted_by: first(wanted_by.iter().copied()),
        wanted_by_count: count(wanted_by.len()),
        mounted_by: mounted_by.iter().take(SHOWN).cloned().collect(),
        mounted_by_count: count(mounted_by.len()),
        stored_at: stored.and_then(|stored| stored.stored_at),
        garbage_at: None,
        fault: copy.fault.clone(),
        verbs: Vec::new(),
        path,
    }
}

/// A file of ours as it lies in its folder.
pub fn found(
    state: &State,
    (datastore, folder): (&MoRef, &Folder),
    (path, name, file): (String, &str, &File),
    grace: Duration,
) -> IsoFile {
    let wanted_by = state.isos.needing(datastore, (&path, name, &file.record));
    let mounted_by = folder.drives.mounted_by(&path);
    let origin = if file.is_uploaded() {
        IsoOrigin::Upload
    } else {
        IsoOrigin::Url
    };
    let size = signed(file.record.size_bytes);
    IsoFile {
        datastore: Some(state.inventory.describe(datastore)),
        state: IsoState::Ready.into(),
        size_bytes: size,
        transferred_bytes: size,
        sha256: file.record.sha256.to_string(),
        origin: origin.into(),
        wanted_by: first(wanted_by.iter().copied()),
        wanted_by_count: count(wanted_by.len()),
        mounted_by: mounted_by.iter().take(SHOWN).cloned().collect(),
        mounted_by_count: count(mounted_by.len()),
        stored_at: file.record.stored_at(),
        garbage_at: file
            .unused_since
            .map(|since| garbage::goes_at(since, grace)),
        fault: None,
        verbs: Vec::new(),
        path,
    }
}

/// Of several files: one that failed, else that which is least far.
pub fn least(files: &[IsoFile]) -> IsoState {
    let rank = |state: &IsoState| match state {
        IsoState::Failed => 0,
        IsoState::Unknown => 1,
        IsoState::Unspecified | IsoState::Pending => 2,
        IsoState::Transferring => 3,
        IsoState::Verifying => 4,
        IsoState::Ready => 5,
        IsoState::Deleting => 6,
        IsoState::Gone => 7,
    };
    let states = files.iter().map(IsoFile::state);
    states.min_by_key(rank).unwrap_or(IsoState::Pending)
}

/// Whether an ISO with this fault is known not to be there: not having been able to look is not the same.
pub fn state_of(fault: &Fault) -> IsoState {
    match fault.reason() {
        // Nobody was asked, or nobody answered in a way that tells.
        Reason::Overloaded
        | Reason::DriverStopping
        | Reason::Internal
        | Reason::VcenterUnknown
        | Reason::VcenterUnreachable
        | Reason::VcenterTlsUntrusted
        | Reason::VcenterBadCredentials
        | Reason::VcenterLoginSuspended
        | Reason::VcenterSessionLimit
        | Reason::VcenterBadReply
        | Reason::InventoryNotSynced
        | Reason::VsphereFault
        | Reason::OutcomeUnknown
        // Nobody can look into it.
        | Reason::DatastoreUnavailable => IsoState::Unknown,
        _ => IsoState::Failed,
    }
}

fn first<'a>(ids: impl Iterator<Item = &'a IsoId>) -> Vec<IsoKey> {
    ids.take(SHOWN).map(IsoId::key).collect()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_looked_at_is_unknown_and_what_is_not_there_has_failed() {
        for (reason, state) in [
            (Reason::IsoMissing, IsoState::Failed),
            (Reason::IsoDigestMismatch, IsoState::Failed),
            (Reason::DatastoreFull, IsoState::Failed),
            (Reason::DatastoreInvalid, IsoState::Failed),
            (Reason::VcenterPermissionDenied, IsoState::Failed),
            (Reason::DatastoreUnavailable, IsoState::Unknown),
            (Reason::VcenterUnreachable, IsoState::Unknown),
            (Reason::VsphereFault, IsoState::Unknown),
            (Reason::OutcomeUnknown, IsoState::Unknown),
        ] {
            assert_eq!(state_of(&Fault::new(reason, "x")), state, "{reason:?}");
        }
    }
}
