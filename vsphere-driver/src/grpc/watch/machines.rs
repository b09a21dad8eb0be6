//! Changes of machines, for the stream of them.

use super::{Event, Feed, PAGE, Page};
use crate::{changes::Change, machines::vm::Identity, vcenter::state::State};
use contract::v1::{
    Fault, Ownership, SnapshotEnd, VirtualMachine, VirtualMachineChanges, VirtualMachineFilter,
    VirtualMachineTombstone, WatchVirtualMachinesResponse, watch_virtual_machines_response,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Which machines are let through.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::grpc) struct Filter {
    message: VirtualMachineFilter,
    ownerships: Vec<Ownership>,
}

/// The machines of a vCenter, as far as a filter lets them through.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Machines(pub(in crate::grpc) Filter);

// === impl Machines ===

impl Feed for Machines {
    type Id = Identity;
    type Changes = VirtualMachineChanges;
    type Message = WatchVirtualMachinesResponse;

    fn digest(&self) -> String {
        self.0.digest()
    }

    fn is_known(state: &State) -> bool {
        state.syncs > 0
    }

    fn all(&self, state: &State) -> (u64, Vec<Identity>) {
        (state.changes.last(), state.identities().collect())
    }

    fn shown(&self, state: &State, identities: &[Identity]) -> Option<VirtualMachineChanges> {
        let machines = identities
            .iter()
            .filter_map(|identity| state.machine(identity));
        let changed: Vec<_> = machines
            .filter(|machine| self.0.lets_through(machine))
            .collect();
        (!changed.is_empty()).then_some(VirtualMachineChanges {
            changed,
            removed: Vec::new(),
        })
    }

    fn page(&self, state: &State, after: u64) -> Option<Page<VirtualMachineChanges>> {
        page(state, &self.0, after)
    }

    fn message(event: Event<VirtualMachineChanges>, token: String) -> Self::Message {
        use watch_virtual_machines_response::Event as Told;
        let event = match event {
            Event::Begin(begin) => Told::SnapshotBegin(begin),
            Event::Changes(changes) => Told::Changes(changes),
            Event::End => Told::SnapshotEnd(SnapshotEnd {}),
            Event::Bookmark(bookmark) => Told::Bookmark(bookmark),
        };
        WatchVirtualMachinesResponse {
            event: Some(event),
            token,
        }
    }
}

fn page(state: &State, filter: &Filter, after: u64) -> Option<Page<VirtualMachineChanges>> {
    let found = state.changes.since(after, PAGE)?;
    let more = found.len() == PAGE;
    let last = found.last().map_or(after, |(number, _)| *number);
    let mut changes = VirtualMachineChanges::default();
    for (_, change) in found {
        match change {
            Change::Gone(tombstone) => {
                if filter.concerns(tombstone) {
                    changes.removed.push(tombstone.clone());
                }
            }
            Change::Present(identity) => match state.machine(identity) {
                Some(machine) if filter.lets_through(&machine) => changes.changed.push(machine),
                // Work on it ended without a machine, and nobody keeps it: the tombstone comes.
                Some(_) | None => {}
            },
        }
    }
    let tells = !changes.changed.is_empty() || !changes.removed.is_empty();
    Some(Page {
        changes: tells.then_some(changes),
        last,
        more,
    })
}

// === impl Filter ===

impl Filter {
    /// The filter of a request.
    pub(in crate::grpc) fn parse(asked: Option<VirtualMachineFilter>) -> Result<Self, Fault> {
        let message = asked.unwrap_or_default();
        let mut ownerships: Vec<_> = message.ownerships().collect();
        let field = "filter.ownerships";
        if message
            .ownerships
            .iter()
            .any(|number| Ownership::try_from(*number).is_err())
        {
            return Err(Fault::invalid(
                field,
                "has a value that this driver does not know",
            ));
        }
        if ownerships
            .iter()
            .any(|o| matches!(o, Ownership::Foreign | Ownership::Unspecified))
        {
            let problem = "takes OWNERSHIP_OURS, OWNERSHIP_COPY and OWNERSHIP_COMPANION only";
            return Err(Fault::invalid(field, problem));
        }
        if ownerships.is_empty() {
            ownerships = vec![Ownership::Ours, Ownership::Copy];
        }
        Ok(Self {
            message,
            ownerships,
        })
    }

    /// Whether a machine is told.
    pub(in crate::grpc) fn lets_through(&self, machine: &VirtualMachine) -> bool {
        let VirtualMachineFilter {
            hub_id,
            owner_uid,
            ownerships: _,
            companion_template,
        } = &self.message;
        let fits = |wanted: &str, has: &str| wanted.is_empty() || wanted == has;
        let ownership = machine.ownership();
        if !self.ownerships.contains(&ownership) {
            return false;
        }
        if ownership == Ownership::Companion {
            return fits(companion_template, &machine.companion_template);
        }
        let key = machine.key.clone().unwrap_or_default();
        fits(hub_id, &key.hub_id) && fits(owner_uid, &key.owner_uid)
    }

    /// Whether the end of a machine is told: its ownership is not known any more.
    fn concerns(&self, tombstone: &VirtualMachineTombstone) -> bool {
        let VirtualMachineFilter {
            hub_id, owner_uid, ..
        } = &self.message;
        let fits = |wanted: &str, has: &str| wanted.is_empty() || wanted == has;
        tombstone
            .key
            .as_ref()
            .is_none_or(|key| fits(hub_id, &key.hub_id) && fits(owner_uid, &key.owner_uid))
    }

    /// Tells this filter from others in tokens.
    pub(in crate::grpc) fn digest(&self) -> String {
        let digest = Sha256::digest(self.message.encode_to_vec());
        digest[..8].iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machines::vm::fixtures::ours, soap::MoRef};
    use contract::v1::{Absence, RemovalCause, VirtualMachineKey};

    fn filter(message: VirtualMachineFilter) -> Filter {
        Filter::parse(Some(message)).expect("good")
    }

    fn of(hub: &str, ownership: Ownership) -> VirtualMachine {
        let key = VirtualMachineKey {
            hub_id: hub.into(),
            owner_uid: "uid".into(),
            slot: 1,
        };
        let key = (ownership != Ownership::Companion).then_some(key);
        VirtualMachine {
            key,
            ownership: ownership.into(),
            ..VirtualMachine::default()
        }
    }

    #[test]
    fn the_filter_lets_through_what_it_says() {
        let hub = VirtualMachineFilter {
            hub_id: "hub".into(),
            ..Default::default()
        };
        let all = VirtualMachineFilter {
            ownerships: vec![Ownership::Ours.into(), Ownership::Companion.into()],
            ..hub.clone()
        };
        for (message, machine, passes) in [
            (&hub, of("hub", Ownership::Ours), true),
            (&hub, of("hub", Ownership::Copy), true),
            (&hub, of("other", Ownership::Ours), false),
            (&hub, of("", Ownership::Companion), false),
            (&all, of("", Ownership::Companion), true),
        ] {
            assert_eq!(
                filter(message.clone()).lets_through(&machine),
                passes,
                "{machine:?}"
            );
        }
        let foreign = VirtualMachineFilter {
            ownerships: vec![Ownership::Foreign.into()],
            ..Default::default()
        };
        assert_eq!(
            Filter::parse(Some(foreign)).expect_err("foreign").field,
            "filter.ownerships"
        );
    }

    #[test]
    fn a_page_tells_changes_and_ends_since_a_number() {
        let mut state = State::default();
        let morefs = ["vm-1", "vm-2"].map(|id| MoRef::new("VirtualMachine", id));
        for (slot, moref) in (1..).zip(&morefs) {
            state.change_vm(moref, |vm| *vm = ours(slot, "h"));
        }
        state.remove_vm(&morefs[0], Absence::default());
        let page = page(&state, &filter(VirtualMachineFilter::default()), 1).expect("known");
        let VirtualMachineChanges { changed, removed } = page.changes.expect("something changed");
        assert_eq!(
            changed.iter().map(|m| &*m.name).collect::<Vec<_>>(),
            ["pool-n02"]
        );
        let causes: Vec<_> = removed.iter().map(|t| (&*t.name, t.cause())).collect();
        assert_eq!(causes, [("pool-n01", RemovalCause::Gone)]);
        assert_eq!((page.last, page.more), (3, false));
    }
}
