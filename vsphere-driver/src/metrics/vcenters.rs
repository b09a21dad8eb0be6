//! What is true of each vCenter at the moment when somebody asks.

use crate::{
    core::Core,
    vcenter::{VCenter, lane::Load, state::State},
};
use contract::v1::{ConnectionState, OperationState, TrustKind, Verb, VirtualMachineState};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// All states of a connection that there are.
const CONNECTIONS: [ConnectionState; 6] = [
    ConnectionState::Connecting,
    ConnectionState::Syncing,
    ConnectionState::Connected,
    ConnectionState::Disconnected,
    ConnectionState::Suspended,
    ConnectionState::Closing,
];

type Labels = Vec<(&'static str, String)>;

/// Looks at all vCenters of the driver.
#[derive(Debug)]
pub(super) struct VCenters(pub(super) Arc<Core>);

/// One vCenter at one moment.
struct Picture {
    names: [(&'static str, String); 2],
    insecure: bool,
    sessions: u8,
    refused_logins: usize,
    tasks: usize,
    lanes: [(&'static str, Load); 3],
    known: Known,
}

/// What is known of a vCenter, counted.
struct Known {
    connection: ConnectionState,
    /// In seconds since 1970; nothing before the first time.
    synced: Option<i64>,
    virtual_machines: usize,
    changes: usize,
    machines: BTreeMap<VirtualMachineState, usize>,
    operations: BTreeMap<(Verb, OperationState), usize>,
}

/// Writes families, one after the other.
struct Page<'e, 'p> {
    encoder: DescriptorEncoder<'e>,
    pictures: &'p [Picture],
}

// === impl VCenters ===

impl Collector for VCenters {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let pictures: Vec<_> = self
            .0
            .all()
            .iter()
            .map(|vcenter| picture(vcenter))
            .collect();
        let mut page = Page {
            encoder,
            pictures: &pictures,
        };
        page.connections()?;
        page.inventories()?;
        page.work()
    }
}

fn picture(vcenter: &VCenter) -> Picture {
    let VCenter {
        name,
        trust,
        session,
        tasks,
        creates,
        removals,
        power_ons,
        ..
    } = vcenter;
    Picture {
        names: [("vcenter", name.clone()), ("server", session.server())],
        insecure: *trust == TrustKind::Insecure,
        sessions: session.current().is_some().into(),
        refused_logins: session.refused_logins(),
        tasks: tasks.count(),
        lanes: [
            ("creates", creates.load()),
            ("removals", removals.load()),
            ("power_ons", power_ons.load()),
        ],
        known: vcenter.read(known),
    }
}

fn known(state: &State) -> Known {
    let synced = state.freshness.synced_at.as_ref();
    let mut operations = BTreeMap::new();
    for work in state.all_running() {
        let of = (work.verb(), work.operation.state());
        *operations.entry(of).or_default() += 1;
    }
    Known {
        connection: state.freshness.connection_state(),
        synced: synced.map(|at| at.seconds),
        virtual_machines: state.vms().count(),
        changes: state.changes.len(),
        machines: state.count_by_state(),
        operations,
    }
}

// === impl Page ===

impl<'p> Page<'_, 'p> {
    fn connections(&mut self) -> fmt::Result {
        let help = "1 for the state that the connection is in, 0 for the others";
        self.gauges("vcenter_connection", help, |picture| {
            let now = picture.known.connection;
            let states = CONNECTIONS.into_iter();
            states.map(move |state| (vec![connection(state)], f64::from(u8::from(state == now))))
        })?;
        let help = "Sessions that are logged in";
        self.gauges("vcenter_sessions", help, |picture| {
            [(vec![], f64::from(picture.sessions))]
        })?;
        let help = "Refused logins that count against the account";
        self.gauges("vcenter_refused_logins", help, |picture| {
            [(vec![], count(picture.refused_logins))]
        })?;
        let help = "1 where the certificate is not verified";
        self.gauges("vcenter_insecure_trust", help, |picture| {
            [(vec![], f64::from(u8::from(picture.insecure)))]
        })
    }

    fn inventories(&mut self) -> fmt::Result {
        let help = "When vCenter last confirmed what is known of it, in seconds since 1970";
        self.gauges("inventory_synced_timestamp_seconds", help, |picture| {
            let synced = picture.known.synced.into_iter();
            #[expect(clippy::cast_precision_loss, reason = "exact for 285 million years")]
            synced.map(|seconds| (vec![], seconds as f64))
        })?;
        let help = "Virtual machines that vCenter shows, whosever they are";
        self.gauges("inventory_virtual_machines", help, |picture| {
            [(vec![], count(picture.known.virtual_machines))]
        })?;
        let help = "Changes that a watch can still resume from, tombstones included";
        self.gauges("inventory_changes", help, |picture| {
            [(vec![], count(picture.known.changes))]
        })?;
        let help = "Machines that are told of, by state";
        self.gauges("machines", help, |picture| {
            let machines = picture.known.machines.iter();
            machines.map(|(state, number)| {
                let word = word(state.as_str_name(), "VIRTUAL_MACHINE_STATE_");
                (vec![("state", word)], count(*number))
            })
        })
    }

    fn work(&mut self) -> fmt::Result {
        let help = "Operations on machines that wait or run";
        self.gauges("operations", help, |picture| {
            let operations = picture.known.operations.iter();
            operations.map(|((verb, state), number)| {
                let verb = word(verb.as_str_name(), "VERB_");
                let state = word(state.as_str_name(), "OPERATION_STATE_");
                (vec![("verb", verb), ("state", state)], count(*number))
            })
        })?;
        let help = "Tasks of vCenter whose end is awaited";
        self.gauges("tasks", help, |picture| [(vec![], count(picture.tasks))])?;
        let help = "How much a lane may have under way at once";
        self.lanes("lane_window", help, |load| load.window)?;
        let help = "What a lane has under way: machines, or batches of them to switch on";
        self.lanes("lane_in_flight", help, |load| load.in_flight)?;
        let help = "Machines that wait for their turn in a lane";
        self.lanes("lane_queue", help, |load| load.waiting)
    }

    fn lanes(&mut self, name: &str, help: &str, number: fn(&Load) -> usize) -> fmt::Result {
        self.gauges(name, help, |picture| {
            let lanes = picture.lanes.iter();
            lanes.map(move |(lane, load)| (vec![("lane", (*lane).to_owned())], count(number(load))))
        })
    }

    /// Writes one family, with the labels that name the vCenter before all others.
    fn gauges<S: IntoIterator<Item = (Labels, f64)>>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl Fn(&'p Picture) -> S,
    ) -> fmt::Result {
        let kind = MetricType::Gauge;
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for picture in self.pictures {
            for (more, value) in samples(picture) {
                let labels: Labels = picture.names.iter().cloned().chain(more).collect();
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn connection(state: ConnectionState) -> (&'static str, String) {
    ("state", word(state.as_str_name(), "CONNECTION_STATE_"))
}

/// `CONNECTION_STATE_CLOSING` is `closing`.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_ascii_lowercase()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}
