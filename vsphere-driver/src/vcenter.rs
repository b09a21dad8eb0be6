//! One vCenter: its session, what is known of it, and the work against it.

pub mod absences;
pub mod clock;
pub mod explain;
pub mod lane;
pub mod ledger;
pub mod privileges;
pub mod room;
pub mod session;
pub mod state;
pub mod tasks;
mod updates;
pub mod window;
pub mod works;

use crate::{
    bell::{Bell, Listener},
    config::Trust,
    machines::{power::PowerOns, work::Load},
    soap::{MoRef, VimFault},
};
use contract::v1::{self as pb, ConnectionState, Fault, Freshness, Reason, TrustKind};
use lane::Lane;
use room::{Place, Room};
use session::{Failure, Session};
use state::State;
use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tasks::{Outcome, Tasks};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use window::Window;

/// How long a call waits for the inventory that is read anew in a new session.
const READING: Duration = Duration::from_secs(10);

/// One vCenter, known by a name.
pub struct VCenter {
    /// What requests call it.
    pub name: String,
    /// Where the name comes from.
    pub origin: pb::ConnectionOrigin,
    /// How its certificate is judged.
    pub trust: TrustKind,
    /// The session.
    pub session: Session,
    /// Tasks that are waited for.
    pub tasks: Tasks,
    /// Creates, in turn.
    pub creates: Lane,
    /// Power-offs and deletes, in turn; they never wait behind creates.
    pub removals: Lane,
    /// Power-ons, gathered into batches.
    pub power_ons: PowerOns,
    /// ISO files that were found a moment ago.
    pub isos: crate::iso::Remembered,
    /// Room that was measured a moment ago.
    pub measurements: crate::capacity::Remembered,
    /// Folders are made one after the other, so that none is made twice.
    pub folders: tokio::sync::Mutex<()>,
    /// Ends everything that belongs to it.
    pub stop: CancellationToken,
    /// What runs for it.
    pub running: TaskTracker,
    room: Room,
    hubs: Mutex<BTreeSet<String>>,
    state: Mutex<State>,
    changed: Bell,
}

impl VCenter {
    /// A vCenter that nothing is known of yet.
    pub fn new(
        name: String,
        origin: pb::ConnectionOrigin,
        trust: TrustKind,
        session: Session,
    ) -> Arc<Self> {
        let mut state = State::default();
        state.set_connection(ConnectionState::Connecting, None);
        Arc::new(Self {
            name,
            origin,
            trust,
            session,
            tasks: Tasks::default(),
            creates: Lane::new(Window::new(4, 20, 320)),
            removals: Lane::new(Window::new(8, 50, 200)),
            power_ons: PowerOns::default(),
            isos: crate::iso::Remembered::default(),
            measurements: crate::capacity::Remembered::default(),
            folders: tokio::sync::Mutex::default(),
            stop: CancellationToken::new(),
            running: TaskTracker::new(),
            room: Room::default(),
            hubs: Mutex::default(),
            state: Mutex::new(state),
            changed: Bell::default(),
        })
    }

    /// Begins to follow the vCenter, until it is stopped.
    pub fn start(self: &Arc<Self>) {
        self.spawn(updates::follow(Arc::clone(self)));
        self.spawn(updates::keep_task_list(Arc::clone(self)));
        self.spawn(crate::machines::power::send_batches(Arc::clone(self)));
        self.spawn(crate::machines::devices::read_devices(Arc::clone(self)));
    }

    /// Runs something until it ends or the vCenter is stopped.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.running.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Ends the work, then logs out.
    pub async fn close(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
        self.session.close().await;
    }

    // --- State ---

    /// Looks at what is known.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes what is known, and tells those who wait.
    pub fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.ring();
        result
    }

    /// Tells when anything changed.
    pub fn changes(&self) -> Listener {
        self.changed.listen()
    }

    /// Waits until `is_so`, or until the time is over; says whether it is.
    pub async fn wait_until(&self, time: Duration, mut is_so: impl FnMut(&State) -> bool) -> bool {
        let mut changes = self.changes();
        let wait = async {
            loop {
                changes.catch_up();
                if self.read(&mut is_so) {
                    return true;
                }
                changes.rung().await;
            }
        };
        match timeout(time, wait).await {
            Ok(result) => result,
            Err(_) => self.read(is_so),
        }
    }

    /// How fresh what is known is.
    pub fn freshness(&self) -> Freshness {
        self.read(|state| state.freshness.clone())
    }

    /// Whether the inventory is complete and live, for a call that needs vCenter.
    pub fn require_connected(&self) -> Result<(), Box<Fault>> {
        self.read(|state| {
            if state.is_connected() {
                return Ok(());
            }
            let fault = state
                .freshness
                .fault
                .clone()
                .unwrap_or_else(|| self.not_synced());
            Err(Box::new(fault))
        })
    }

    /// The same, after the reading of a new session, if one is under way, has had time to end.
    pub async fn connected(&self) -> Result<(), Box<Fault>> {
        let is_read = |state: &State| {
            let connection = state.freshness.connection_state();
            connection != ConnectionState::Syncing || state.syncs == 0
        };
        self.wait_until(READING, is_read).await;
        self.require_connected()
    }

    /// Whether the inventory was complete once, for a call that reads from it.
    pub fn require_synced_once(&self) -> Result<(), Box<Fault>> {
        self.read(|state| {
            if state.syncs > 0 {
                Ok(())
            } else {
                Err(Box::new(self.not_synced()))
            }
        })
    }

    /// Room for work on so many more machines as `count` says, until the work has begun.
    pub fn make_room(
        &self,
        load: Load,
        count: impl FnOnce(&State) -> usize,
    ) -> Result<Place, Box<Fault>> {
        self.read(|state| self.room.take(load, count(state), state.running()))
    }

    fn not_synced(&self) -> Fault {
        let what = format!("the inventory of vCenter `{}` is not read yet", self.name);
        Fault::new(Reason::InventoryNotSynced, what).with("vcenter", &self.name)
    }

    /// Waits for a task of files and gives its fault as ours.
    pub async fn outcome(
        &self,
        task: &MoRef,
        doing: &str,
    ) -> Result<Option<crate::soap::Element>, Fault> {
        let unknown = |problem: String| {
            let what = format!("{doing}: {problem}");
            Err(Fault::new(Reason::OutcomeUnknown, what))
        };
        match self.tasks.outcome_within(task, tasks::OF_FILES).await {
            Some(Outcome::Success(result)) => Ok(result),
            Some(Outcome::Fault(fault)) => Err(self.explain_vim(&fault, doing)),
            Some(Outcome::Lost) => unknown("vCenter no longer knows the task".into()),
            None => {
                let minutes = tasks::OF_FILES.as_secs() / 60;
                let task = &task.id;
                unknown(format!("`{task}` did not end within {minutes} minutes"))
            }
        }
    }

    /// The fault for a call that failed while `doing` something.
    pub fn explain(&self, failure: &Failure, doing: &str) -> Fault {
        match failure.vim() {
            Some(fault) => self.explain_vim(fault, doing),
            None => failure.explain(doing, &self.session.server()),
        }
    }

    /// The fault for a vSphere fault that came while `doing` something.
    pub fn explain_vim(&self, fault: &VimFault, doing: &str) -> Fault {
        let path = |object: MoRef| self.read(|state| state.path(&object));
        let path = fault.object().and_then(path);
        explain::of_vim(fault, doing, path.as_deref())
    }

    /// Tells this vCenter from others, whatever name it goes by: its own id, or its address until that is
    /// known.
    pub fn instance(&self) -> String {
        let current = self.session.current();
        let id = current.map(|current| current.content.about.instance_uuid.clone());
        id.filter(|id| !id.is_empty())
            .unwrap_or_else(|| self.session.server())
    }

    // --- Hubs ---

    /// Notes that a hub uses the name.
    pub fn add_hub(&self, hub_id: &str) {
        self.lock_hubs().insert(hub_id.to_owned());
    }

    /// Withdraws a hub. Gives those that still use the name.
    pub fn remove_hub(&self, hub_id: &str) -> Vec<String> {
        let mut hubs = self.lock_hubs();
        hubs.remove(hub_id);
        hubs.iter().cloned().collect()
    }

    /// Hubs that use the name, sorted.
    pub fn hubs(&self) -> Vec<String> {
        self.lock_hubs().iter().cloned().collect()
    }

    fn lock_hubs(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is made whole under the lock; a panic elsewhere cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for VCenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VCenter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How the contract calls a way to judge certificates.
pub fn trust_kind(trust: &crate::soap::Trust) -> TrustKind {
    use crate::soap::Trust as T;
    match trust {
        T::System => TrustKind::System,
        T::CaBundle(_) | T::SystemAnd(_) => TrustKind::CaBundle,
        T::Thumbprint(_) => TrustKind::Thumbprint,
        T::Insecure => TrustKind::Insecure,
    }
}

/// The trust of a configured vCenter; a CA file is read.
pub fn configured_trust(trust: &Trust) -> Result<crate::soap::Trust, std::io::Error> {
    use crate::soap::Trust as T;
    Ok(match trust {
        Trust::System => T::System,
        Trust::CaFile(path) => T::CaBundle(std::fs::read_to_string(path)?),
        Trust::Sha256Thumbprint(thumbprint) => T::Thumbprint(*thumbprint),
        Trust::Insecure => T::Insecure,
    })
}
