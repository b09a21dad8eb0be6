//! The stream of changes of machines.

use crate::{
    changes::Change,
    machines::vm::Identity,
    vcenter::{VCenter, state::State},
};
use contract::v1::{
    Bookmark, Fault, Ownership, Reason, SnapshotBegin, SnapshotEnd, VirtualMachine,
    VirtualMachineChanges, VirtualMachineFilter, VirtualMachineTombstone,
    WatchVirtualMachinesResponse, watch_virtual_machines_response::Event,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tonic::Status;

/// Machines in one message.
const PAGE: usize = 100;
/// Between two bookmarks at the most.
const BOOKMARK: Duration = Duration::from_secs(10);
/// How long changes gather before they are told.
const GATHER: Duration = Duration::from_millis(20);
/// Messages that wait for a slow reader.
const BUFFER: usize = 2;

/// What the call returns.
pub(super) type Stream = Pin<
    Box<dyn futures::Stream<Item = Result<WatchVirtualMachinesResponse, Status>> + Send + 'static>,
>;

type Sender = mpsc::Sender<Result<WatchVirtualMachinesResponse, Status>>;

/// Which machines are let through.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    message: VirtualMachineFilter,
    ownerships: Vec<Ownership>,
}

/// Nobody reads any more.
struct Gone;

/// Tells changes of a vCenter's machines from the token on.
pub(super) fn stream(
    vcenter: Arc<VCenter>,
    run_id: String,
    filter: Filter,
    resume_token: &str,
) -> Stream {
    let (sender, receiver) = mpsc::channel(BUFFER);
    let prefix = format!("{run_id}.{}", filter.digest());
    let resumed = resume_token
        .strip_prefix(&prefix)
        .and_then(|rest| rest.strip_prefix('.'));
    let at = resumed.and_then(|number| number.parse().ok());
    let teller = Teller {
        vcenter,
        run_id,
        filter,
        prefix,
        at,
        sender,
    };
    tokio::spawn(async move {
        let (stop, sender) = (teller.vcenter.stop.clone(), teller.sender.clone());
        let name = teller.vcenter.name.clone();
        tokio::select! {
            biased;
            () = teller.run() => {}
            () = stop.cancelled() => {
                let what = format!("vCenter `{name}` was disconnected");
                let fault = Fault::new(Reason::VcenterUnknown, what).with("vcenter", name);
                // A reader that is gone need not be told.
                let _ = sender.send(Err(fault.into_status(""))).await;
            }
        }
    });
    let messages = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|message| (message, receiver))
    });
    Box::pin(messages)
}

/// Tells one reader.
struct Teller {
    vcenter: Arc<VCenter>,
    run_id: String,
    filter: Filter,
    /// What this reader's tokens begin with.
    prefix: String,
    /// Number of the last change that was told.
    at: Option<u64>,
    sender: Sender,
}

impl Teller {
    async fn run(mut self) {
        // The reader is gone: there is nobody to tell.
        let _ = self.tell().await;
    }

    async fn tell(&mut self) -> Result<(), Gone> {
        let mut changes = self.vcenter.changes();
        let mut connection = None;
        let mut next_bookmark = Instant::now();
        loop {
            changes.catch_up();
            if self.vcenter.read(|state| state.syncs > 0) {
                self.tell_changes().await?;
            }
            let now = self.vcenter.freshness().connection_state();
            if connection != Some(now) || Instant::now() >= next_bookmark {
                connection = Some(now);
                next_bookmark = Instant::now() + BOOKMARK;
                self.bookmark().await?;
            }
            tokio::select! {
                biased;
                () = self.sender.closed() => return Err(Gone),
                news = timeout_at(next_bookmark, changes.rung()) => {
                    if news.is_ok() {
                        sleep(GATHER).await;
                    }
                }
            }
        }
    }

    /// Tells what changed since the last time; a snapshot where that is not known.
    async fn tell_changes(&mut self) -> Result<(), Gone> {
        loop {
            let Some(at) = self.at else {
                self.snapshot().await?;
                continue;
            };
            let page = self.vcenter.read(|state| page(state, &self.filter, at));
            let Some(Page {
                changes,
                last,
                more,
            }) = page
            else {
                self.at = None;
                continue;
            };
            self.at = Some(last);
            if !changes.changed.is_empty() || !changes.removed.is_empty() {
                self.send(Event::Changes(changes), true).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn snapshot(&mut self) -> Result<(), Gone> {
        let freshness = Some(self.vcenter.freshness());
        let run_id = self.run_id.clone();
        let (last, identities) = self
            .vcenter
            .read(|state| (state.changes.last(), state.identities().collect::<Vec<_>>()));
        self.send(
            Event::SnapshotBegin(SnapshotBegin { run_id, freshness }),
            false,
        )
        .await?;
        for some in identities.chunks(PAGE) {
            let changed = self.vcenter.read(|state| self.shown(state, some));
            if !changed.is_empty() {
                let page = VirtualMachineChanges {
                    changed,
                    removed: Vec::new(),
                };
                self.send(Event::Changes(page), false).await?;
            }
        }
        self.at = Some(last);
        self.send(Event::SnapshotEnd(SnapshotEnd {}), true).await
    }

    fn shown(&self, state: &State, identities: &[Identity]) -> Vec<VirtualMachine> {
        let machines = identities
            .iter()
            .filter_map(|identity| state.machine(identity));
        machines
            .filter(|machine| self.filter.lets_through(machine))
            .collect()
    }

    async fn bookmark(&self) -> Result<(), Gone> {
        let freshness = Some(self.vcenter.freshness());
        self.send(Event::Bookmark(Bookmark { freshness }), self.at.is_some())
            .await
    }

    async fn send(&self, event: Event, with_token: bool) -> Result<(), Gone> {
        let token = match self.at.filter(|_| with_token) {
            Some(at) => format!("{}.{at}", self.prefix),
            None => String::new(),
        };
        let message = WatchVirtualMachinesResponse {
            event: Some(event),
            token,
        };
        self.sender.send(Ok(message)).await.map_err(|_| Gone)
    }
}

/// Some of what changed.
struct Page {
    changes: VirtualMachineChanges,
    last: u64,
    more: bool,
}

fn page(state: &State, filter: &Filter, after: u64) -> Option<Page> {
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
    Some(Page {
        changes,
        last,
        more,
    })
}

// === impl Filter ===

impl Filter {
    /// The filter of a request.
    pub(super) fn parse(asked: Option<VirtualMachineFilter>) -> Result<Self, Fault> {
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
    pub(super) fn lets_through(&self, machine: &VirtualMachine) -> bool {
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
    pub(super) fn digest(&self) -> String {
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
        let VirtualMachineChanges { changed, removed } = page.changes;
        assert_eq!(
            changed.iter().map(|m| &*m.name).collect::<Vec<_>>(),
            ["pool-n02"]
        );
        let causes: Vec<_> = removed.iter().map(|t| (&*t.name, t.cause())).collect();
        assert_eq!(causes, [("pool-n01", RemovalCause::Gone)]);
        assert_eq!((page.last, page.more), (3, false));
    }
}
