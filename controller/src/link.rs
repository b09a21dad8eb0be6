//! Links to vCenters: one for each Secret that a template names.
//!
//! A link follows its Secret, has the driver log in by it, follows the changes of the machines, and
//! wakes the templates that are concerned. What it has seen is read with [`Link::look`].

mod isos;
mod names;
mod registry;
mod session;
mod transfers;
mod view;

pub use isos::IsoTold;
pub use registry::{Links, SecretRef};
pub use view::{OwnerView, View};

use crate::{
    crd::VMwareNodePoolTemplate,
    credentials::InvalidSecret,
    driver::{Answer, Fault, Freshness, Iso, Vcenter},
};
use isos::Isos;
use kube::runtime::reflector::ObjectRef;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use view::Concerned;

/// What is known of a vCenter and its machines, from moment to moment.
#[derive(Debug)]
pub struct Link {
    inner: Mutex<Inner>,
    /// Somebody is to be woken.
    concerned: Notify,
    /// The driver no longer knows the vCenter.
    forgotten: Notify,
    /// The vCenter whose ISOs are followed, once somebody has one fetched.
    followed: watch::Sender<Option<String>>,
    /// No template names the Secret any more.
    unused: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// The vCenter as the driver named it last; kept while it is out of reach.
    vcenter: Option<Vcenter>,
    guard: Guard,
    /// The address that the view is of.
    server: String,
    /// The driver is to be asked once more which vCenter it is.
    to_be_identified: bool,
    view: View,
    /// Somebody has an ISO fetched.
    fetches: bool,
    isos: Isos,
    users: HashMap<String, ObjectRef<VMwareNodePoolTemplate>>,
    pending: HashSet<Concerned>,
}

/// How far the link is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The Secret was not read yet, or the first call is under way.
    Starting,
    /// There is no Secret.
    NoSecret,
    /// The Secret cannot be read, for this reason.
    SecretRefused(String),
    /// It does not say how to log in.
    BadSecret(InvalidSecret),
    /// The driver does not answer, or refuses.
    Broken(Fault),
    /// Changes are coming.
    Streaming,
}

/// How a link stands, for one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What can be relied on.
    pub connection: Connection,
    /// The vCenter, once there was one.
    pub vcenter: Option<Vcenter>,
    /// The owner's machines as last seen.
    pub owner: OwnerView,
    /// What is told of the owner's ISO.
    pub iso: IsoTold,
    /// Whether the Secret is kept from going.
    pub guard: Guard,
}

/// Whether a Secret is kept from going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// It was not seen, or is going and can no longer be kept.
    #[default]
    None,
    /// It may go at any moment.
    Bare,
    /// Our finalizer keeps it.
    Kept,
}

/// What of a link can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nothing is known yet.
    Starting,
    /// There is no Secret.
    NoSecret,
    /// The Secret cannot be read, for this reason.
    SecretRefused(String),
    /// The Secret does not say how to log in.
    BadSecret(InvalidSecret),
    /// The driver does not answer, or refuses.
    DriverFault(Fault),
    /// The driver is not connected to vCenter, for this reason if there is one.
    VcenterDown(Option<Fault>),
    /// Not everything was told yet.
    Syncing,
    /// What is seen is complete and live.
    Live,
}

// === impl Link ===

impl Link {
    fn new(unused: CancellationToken) -> Self {
        let inner = Inner {
            phase: Phase::Starting,
            vcenter: None,
            guard: Guard::default(),
            server: String::new(),
            to_be_identified: false,
            view: View::default(),
            fetches: false,
            isos: Isos::default(),
            users: HashMap::new(),
            pending: HashSet::new(),
        };
        Self {
            inner: Mutex::new(inner),
            concerned: Notify::new(),
            forgotten: Notify::new(),
            followed: watch::Sender::new(None),
            unused,
        }
    }

    /// What is known for the owner of this UID, which the companion calls `namespace/name`.
    pub fn look(&self, owner_uid: &str, template: &str) -> Sight {
        let inner = self.lock();
        Sight {
            connection: inner.connection(),
            vcenter: inner.vcenter.clone(),
            owner: inner.view.of_owner(owner_uid, template),
            iso: inner.isos.of_owner(owner_uid),
            guard: inner.guard,
        }
    }

    /// Takes in what a call has answered. Wakes nobody: who asked looks again.
    pub fn learn(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut inner = self.lock();
        for answer in answers {
            inner.view.put(answer.machine);
        }
    }

    /// Takes in what a call has answered of the ISO that the owner of this UID has fetched, and follows it from
    /// now on.
    pub fn learn_iso(&self, owner_uid: &str, iso: Iso) {
        self.change(|inner| {
            inner.fetches = true;
            inner.isos.put(owner_uid, iso);
            HashSet::new()
        });
    }

    /// The driver does not know the vCenter any more: it is to be connected anew.
    pub fn forgotten(&self) {
        self.forgotten.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves a view that the next snapshot mends.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and wakes those that are concerned.
    fn change(&self, change: impl FnOnce(&mut Inner) -> HashSet<Concerned>) {
        let mut inner = self.lock();
        let before = inner.connection();
        let mut concerned = change(&mut inner);
        if inner.connection() != before {
            concerned.insert(Concerned::Everybody);
        }
        let followed = inner.followed();
        self.followed.send_if_modified(|before| {
            let is_other = before.as_deref() != followed;
            if is_other {
                *before = followed.map(ToOwned::to_owned);
            }
            is_other
        });
        if !concerned.is_empty() {
            inner.pending.extend(concerned);
            self.concerned.notify_one();
        }
    }

    /// The stream that tells of ISOs was lost.
    fn doubt_isos(&self) {
        self.change(|inner| {
            inner.isos.doubt();
            HashSet::from([Concerned::Everybody])
        });
    }

    /// Whether the Secret is kept, as it was seen now.
    fn guard(&self, guard: Guard) {
        self.change(|inner| {
            let same = std::mem::replace(&mut inner.guard, guard) == guard;
            let concerned = (!same).then_some(Concerned::Everybody);
            concerned.into_iter().collect()
        });
    }

    fn phase(&self, phase: Phase) {
        self.change(|inner| {
            if phase != Phase::Streaming {
                inner.view.doubt();
            }
            inner.phase = phase;
            HashSet::new()
        });
    }

    /// The templates that are to be woken now.
    fn take_concerned(&self) -> Vec<ObjectRef<VMwareNodePoolTemplate>> {
        let mut inner = self.lock();
        let pending = std::mem::take(&mut inner.pending);
        let users = |concerned| inner.users_of(concerned);
        let mut users: Vec<_> = pending.iter().flat_map(users).collect();
        users.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        users.dedup();
        users
    }
}

// === impl Inner ===

impl Inner {
    fn connection(&self) -> Connection {
        match &self.phase {
            Phase::Starting => Connection::Starting,
            Phase::NoSecret => Connection::NoSecret,
            Phase::SecretRefused(problem) => Connection::SecretRefused(problem.clone()),
            Phase::BadSecret(invalid) => Connection::BadSecret(invalid.clone()),
            Phase::Broken(fault) => Connection::DriverFault(fault.clone()),
            Phase::Streaming => self.streaming(),
        }
    }

    /// The vCenter whose ISOs are to be followed.
    fn followed(&self) -> Option<&str> {
        let vcenter = self.vcenter.as_ref().filter(|_| self.fetches);
        vcenter.map(|vcenter| vcenter.name.as_str())
    }

    /// It was connected since the driver was asked which vCenter it is, and could not tell.
    fn is_unidentified(&self) -> bool {
        let answers = |vcenter: &Vcenter| vcenter.freshness.connected;
        self.to_be_identified && self.vcenter.as_ref().is_some_and(answers)
    }

    fn streaming(&self) -> Connection {
        let freshness = self.vcenter.as_ref().map(|vcenter| &vcenter.freshness);
        match freshness {
            Some(Freshness {
                connected: false,
                fault,
            }) => Connection::VcenterDown(fault.clone()),
            Some(_) if self.view.is_complete() => Connection::Live,
            Some(_) | None => Connection::Syncing,
        }
    }

    fn users_of(&self, concerned: &Concerned) -> Vec<ObjectRef<VMwareNodePoolTemplate>> {
        let named = |user: &&ObjectRef<_>, template: &str| {
            let namespace = user.namespace.as_deref().unwrap_or_default();
            template == format!("{namespace}/{}", user.name)
        };
        let users = self.users.values();
        match concerned {
            Concerned::Everybody => users.cloned().collect(),
            Concerned::Owner(uid) => self.users.get(uid).cloned().into_iter().collect(),
            Concerned::Template(template) => users
                .filter(|user| named(user, template))
                .cloned()
                .collect(),
        }
    }
}
