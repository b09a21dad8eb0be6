//! What every reconciliation may use.

use crate::{
    capacity::Commitments,
    crd::VMwareNodePoolTemplate,
    driver::{Caller, Driver},
    hub::{Hub, IngressCa},
    link::Links,
    metrics::Metrics,
    reconcile::Memories,
    requests::Requests,
};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Client, ResourceExt as _,
    runtime::{
        events::{Recorder, Reporter},
        reflector::ObjectRef,
    },
};
use std::{fmt, sync::Arc};
use tokio::sync::mpsc::UnboundedSender;

/// The name under which statuses and events are written.
pub const CONTROLLER: &str = "hcp-vsphere-controller";

/// What every reconciliation may use; shared, and never changed after start.
pub struct Context<D> {
    /// Talks to the API server.
    pub client: Client,
    /// Talks to the driver.
    pub driver: Arc<D>,
    /// Who this is, to the driver.
    pub caller: Caller,
    /// The vCenters.
    pub links: Links<D>,
    /// What others own: node pools, Agents, machines.
    pub hub: Hub,
    /// What the sources of ISOs are asked with.
    pub requests: Requests,
    /// What is remembered between reconciliations.
    pub memories: Memories,
    /// What templates still lack.
    pub commitments: Commitments,
    /// Counts what happens.
    pub metrics: Metrics,
    /// Writes events.
    pub recorder: Recorder,
    /// How long a fall of a node pool's number by more than half is held.
    pub scale_down_grace: SignedDuration,
    /// Reads the clock; a test passes one that stands still.
    pub now: fn() -> Timestamp,
}

/// What the program gives to a context.
#[derive(Clone)]
pub struct Program {
    /// Talks to the API server.
    pub client: Client,
    /// Who this is, to the driver.
    pub caller: Caller,
    /// Counts what happens.
    pub metrics: Metrics,
    /// Takes the templates that an event of the driver concerns.
    pub wake: UnboundedSender<ObjectRef<VMwareNodePoolTemplate>>,
    /// How long a fall of a node pool's number by more than half is held.
    pub scale_down_grace: SignedDuration,
    /// Where the authorities of the hub's routes are.
    pub ingress_ca: IngressCa,
    /// Reads the clock.
    pub now: fn() -> Timestamp,
}

// === impl Program ===

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

// === impl Context ===

impl<D: Driver> Context<D> {
    /// A context in which nothing was seen yet.
    pub fn new(program: Program, driver: D) -> Self {
        let driver = Arc::new(driver);
        let links = Links::new(program.clone(), driver.clone());
        let Program {
            client,
            caller,
            metrics,
            wake,
            scale_down_grace,
            ingress_ca,
            now,
        } = program;
        let reporter = Reporter {
            controller: CONTROLLER.into(),
            instance: None,
        };
        Self {
            requests: Requests::new(client.clone(), wake.clone()),
            hub: Hub::new(ingress_ca, wake, now),
            links,
            memories: Memories::default(),
            commitments: Commitments::default(),
            recorder: Recorder::new(client.clone(), reporter),
            client,
            driver,
            caller,
            metrics,
            scale_down_grace,
            now,
        }
    }

    /// Drops all that belongs to a template that is gone.
    pub fn forget(&self, template: &VMwareNodePoolTemplate) {
        let uid = template.uid().unwrap_or_default();
        self.links.release(&uid);
        self.requests.release(&uid);
        self.metrics.links(self.links.count());
        self.memories.forget(&uid);
        self.commitments.note(&uid, None);
        self.metrics.forget(
            &template.namespace().unwrap_or_default(),
            &template.name_any(),
        );
    }
}

impl<D: fmt::Debug> fmt::Debug for Context<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("driver", &self.driver)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}
