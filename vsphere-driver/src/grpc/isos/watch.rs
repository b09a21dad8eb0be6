//! Changes of ISOs, for the stream of them.

use crate::{
    changes::Change,
    grpc::watch::{Event, Feed, PAGE, Page},
    iso::{digest::Digest, view, wishes::IsoId},
    vcenter::state::State,
};
use contract::v1::{Iso, IsoChanges, SnapshotEnd, WatchIsosResponse, watch_isos_response};

/// The ISOs of a hub, or of all where none is named.
#[derive(Clone, Debug)]
pub(super) struct Isos {
    /// The hub.
    pub(super) hub_id: String,
}

// === impl Isos ===

impl Isos {
    fn is_of(&self, hub_id: &str) -> bool {
        self.hub_id.is_empty() || self.hub_id == hub_id
    }

    fn changes(changed: Vec<Iso>, removed: Vec<contract::v1::IsoTombstone>) -> Option<IsoChanges> {
        let tells = !changed.is_empty() || !removed.is_empty();
        tells.then_some(IsoChanges { changed, removed })
    }
}

impl Feed for Isos {
    type Id = IsoId;
    type Changes = IsoChanges;
    type Message = WatchIsosResponse;

    fn digest(&self) -> String {
        Digest::of(self.hub_id.as_bytes()).short()
    }

    /// What is wanted is known without vCenter.
    fn is_known(_: &State) -> bool {
        true
    }

    fn all(&self, state: &State) -> (u64, Vec<IsoId>) {
        let ids = state.isos.ids().filter(|id| self.is_of(&id.hub_id));
        (state.isos.changes.last(), ids.cloned().collect())
    }

    fn shown(&self, state: &State, ids: &[IsoId]) -> Option<IsoChanges> {
        let mounts = view::mounts(state);
        let isos = ids.iter().filter_map(|id| view::iso(state, id, &mounts));
        Self::changes(isos.collect(), Vec::new())
    }

    fn page(&self, state: &State, after: u64) -> Option<Page<IsoChanges>> {
        let found = state.isos.changes.since(after, PAGE)?;
        let more = found.len() == PAGE;
        let last = found.last().map_or(after, |(number, _)| *number);
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        for (_, change) in found {
            match change {
                Change::Present(id) if self.is_of(&id.hub_id) => changed.push(id.clone()),
                Change::Present(_) => {}
                Change::Gone(tombstone) => {
                    let hub_id = tombstone.key.as_ref().map_or("", |key| &*key.hub_id);
                    if self.is_of(hub_id) {
                        removed.push(tombstone.clone());
                    }
                }
            }
        }
        let shown = if changed.is_empty() {
            None
        } else {
            self.shown(state, &changed)
        };
        let changed = shown.map(|shown| shown.changed).unwrap_or_default();
        Some(Page {
            changes: Self::changes(changed, removed),
            last,
            more,
        })
    }

    fn message(event: Event<IsoChanges>, token: String) -> WatchIsosResponse {
        use watch_isos_response::Event as Told;
        let event = match event {
            Event::Begin(begin) => Told::SnapshotBegin(begin),
            Event::Changes(changes) => Told::Changes(changes),
            Event::End => Told::SnapshotEnd(SnapshotEnd {}),
            Event::Bookmark(bookmark) => Told::Bookmark(bookmark),
        };
        WatchIsosResponse {
            event: Some(event),
            token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::Owner;

    fn id(hub: &str, owner: &str) -> IsoId {
        IsoId {
            hub_id: hub.into(),
            owner_uid: owner.into(),
            id: String::new(),
        }
    }

    #[test]
    fn a_page_tells_what_changed_and_what_was_withdrawn_of_the_hub() {
        let mut state = State::default();
        for id in [id("a", "1"), id("b", "1"), id("a", "2")] {
            state.isos.want_there(&id, Owner::default(), Iso::default());
        }
        state.isos.withdraw(&id("a", "1"));
        state.isos.withdraw(&id("b", "1"));
        let isos = Isos { hub_id: "a".into() };
        let page = isos.page(&state, 0).expect("known");
        let IsoChanges { changed, removed } = page.changes.expect("something changed");
        let changed: Vec<_> = changed
            .iter()
            .map(|iso| (iso.key.clone(), iso.revision))
            .collect();
        assert_eq!(changed, [(Some(id("a", "2").key()), 3)]);
        let removed: Vec<_> = removed
            .iter()
            .map(|gone| (gone.key.clone(), gone.revision))
            .collect();
        assert_eq!(removed, [(Some(id("a", "1").key()), 4)]);
        assert_eq!((page.last, page.more), (5, false));
        assert!(isos.page(&state, 5).expect("known").changes.is_none());
    }
}
