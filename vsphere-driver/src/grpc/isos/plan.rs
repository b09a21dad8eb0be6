//! What would become of a content on datastores: they are looked at, and nothing is changed.

use crate::{
    iso::{
        catalog, destination::Destination, image::Stored, peek::peek, record::Wanted, store::Store,
        view,
    },
    soap::MoRef,
    vcenter::VCenter,
};
use contract::v1::{Fault, InventoryObject, IsoFile, IsoOrigin, IsoState, Verb};
use futures::future::join_all;
use std::sync::Arc;

/// A content that somebody would want on datastores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought<'a> {
    /// What is known of it.
    pub(super) wanted: Wanted<'a>,
    /// Bytes that it would take. 0: not known.
    pub(super) size_bytes: u64,
    /// How it would come.
    pub(super) origin: IsoOrigin,
    /// The `operationID` of the calls.
    pub(super) op: &'a str,
}

/// The files of a content on these datastores, as they would begin.
pub(super) async fn files(
    store: &Store,
    vcenter: &Arc<VCenter>,
    datastores: &[MoRef],
    sought: Sought<'_>,
) -> Vec<IsoFile> {
    let looks = datastores.iter().map(|datastore| async move {
        let found = look(store, vcenter, datastore, sought).await;
        let described = vcenter.read(|state| state.inventory.describe(datastore));
        file(described, sought, found)
    });
    join_all(looks).await
}

/// The file that is what is wanted, if it is there; a fault where it is not and cannot come.
async fn look(
    store: &Store,
    vcenter: &Arc<VCenter>,
    datastore: &MoRef,
    sought: Sought<'_>,
) -> Result<Option<Stored>, Fault> {
    let place = Destination::of(vcenter, datastore, &store.settings.folder)?;
    let files = peek(vcenter, &place, sought.op).await?;
    let mut files = files.iter();
    if let Some((name, record)) = files.find(|(_, record)| record.is_what(&sought.wanted)) {
        return Ok(Some(catalog::stored(&place, name, record, true)));
    }
    place.refuse(sought.size_bytes).await?;
    Ok(None)
}

fn file(
    datastore: InventoryObject,
    sought: Sought<'_>,
    found: Result<Option<Stored>, Fault>,
) -> IsoFile {
    let file = IsoFile {
        datastore: Some(datastore),
        origin: sought.origin.into(),
        ..IsoFile::default()
    };
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    match found {
        Ok(Some(stored)) => IsoFile {
            state: IsoState::Ready.into(),
            size_bytes: signed(stored.size_bytes),
            transferred_bytes: signed(stored.size_bytes),
            sha256: stored.sha256.to_string(),
            stored_at: stored.stored_at,
            path: stored.path,
            ..file
        },
        Ok(None) => IsoFile {
            state: IsoState::Pending.into(),
            verbs: vec![Verb::TransferIso.into()],
            ..file
        },
        Err(fault) => IsoFile {
            state: view::state_of(&fault).into(),
            fault: Some(fault),
            ..file
        },
    }
}

/// How far an ISO would be with these files, and why it would come no further. A source that cannot be
/// asked takes nothing from files that are there.
pub(super) fn state(files: &[IsoFile], source: Option<Fault>) -> (IsoState, Option<Fault>) {
    let are_there = files.iter().all(|file| file.state() == IsoState::Ready);
    match source {
        Some(fault) if !are_there => (view::state_of(&fault), Some(fault)),
        Some(_) | None => {
            let broken = files.iter().find_map(|file| file.fault.clone());
            (view::least(files), broken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::wishes::fixtures::stored;
    use contract::v1::Reason;

    const SOUGHT: Sought<'_> = Sought {
        wanted: Wanted {
            sha256: None,
            address: None,
            revision: "",
            content: None,
        },
        size_bytes: 7,
        origin: IsoOrigin::Url,
        op: "op",
    };

    fn planned(found: Result<Option<Stored>, Fault>) -> IsoFile {
        file(InventoryObject::default(), SOUGHT, found)
    }

    #[test]
    fn only_what_is_not_there_and_can_come_is_transferred() {
        let full = || Fault::new(Reason::DatastoreFull, "x");
        for (found, state, verbs) in [
            (Ok(Some(stored("a"))), IsoState::Ready, vec![]),
            (Ok(None), IsoState::Pending, vec![Verb::TransferIso.into()]),
            (Err(full()), IsoState::Failed, vec![]),
        ] {
            let file = planned(found);
            assert_eq!(
                (file.state(), file.verbs.clone()),
                (state, verbs),
                "{file:?}"
            );
            assert_eq!(!file.path.is_empty(), state == IsoState::Ready);
        }
    }

    #[test]
    fn a_source_that_cannot_be_asked_is_told_unless_all_is_there() {
        let away = || Some(Fault::new(Reason::IsoSourceUnreachable, "x"));
        let there = || planned(Ok(Some(stored("a"))));
        let full = planned(Err(Fault::new(Reason::DatastoreFull, "x")));
        for (files, source, expected, reason) in [
            (vec![there()], away(), IsoState::Ready, None),
            (vec![there()], None, IsoState::Ready, None),
            (
                vec![there(), planned(Ok(None))],
                away(),
                IsoState::Failed,
                Some(Reason::IsoSourceUnreachable),
            ),
            (
                vec![there(), planned(Ok(None))],
                None,
                IsoState::Pending,
                None,
            ),
            (
                vec![there(), full],
                None,
                IsoState::Failed,
                Some(Reason::DatastoreFull),
            ),
        ] {
            let (state, fault) = state(&files, source);
            let fault = fault.map(|fault| fault.reason());
            assert_eq!((state, fault), (expected, reason), "{files:?}");
        }
    }
}
