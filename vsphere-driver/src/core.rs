//! The vCenters that the driver knows, by name.

use crate::{
    config::{VcenterConfig, read_password},
    edge::fence::Fence,
    iso::source::{Policy, policy::Host},
    secret::Secret,
    soap::{Client, Server, Settings, Trust, counts::SoapMetrics, trust::InvalidTrust},
    vcenter::{
        VCenter, configured_trust,
        ledger::Ledger,
        session::{Password, Session},
        trust_kind,
    },
    vim::{Connect, Vim},
};
use contract::v1::{ConnectionOrigin, ConnectionState, Fault, Reason, TrustKind};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use uuid::Uuid;

/// Tells who we are: vCenter in its list of sessions, others in their logs.
pub(crate) const USER_AGENT: &str = concat!("hcp-vsphere-driver/", env!("CARGO_PKG_VERSION"));
/// What the names of vCenters from `ConnectVCenter` begin with.
const PREFIX: &str = "vc-";
const SUFFIX: usize = 12;

/// All vCenters, and what they share.
pub struct Core {
    /// Refuses leaders of yesterday.
    pub fence: Arc<Fence>,
    /// Changes with each start.
    pub run_id: String,
    connect: Connect,
    ledger: Arc<Ledger>,
    health: HealthReporter,
    /// One connect at a time: two of the same target must not both find it unknown.
    connecting: Mutex<()>,
    known: Mutex<BTreeMap<String, Known>>,
    /// Nobody uses them any more; their last work goes on. They come back when they are connected anew.
    leaving: Mutex<Vec<Known>>,
    /// Told of all vCenters, as nobody may have the driver fetch from one.
    sources: OnceLock<Policy>,
    /// Begun for each vCenter that is followed.
    keeper: OnceLock<Keeper>,
}

/// What is begun for each vCenter that is followed.
pub type Keeper = Box<dyn Fn(&Arc<VCenter>) + Send + Sync>;

struct Known {
    vcenter: Arc<VCenter>,
    /// Of a connected one: what it was connected with.
    target: Option<Identity>,
}

/// What makes two connects the same: no digest of a password leaves memory.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    server: String,
    username: String,
    password: [u8; 32],
    trust: Trust,
}

/// A vCenter to connect.
#[derive(Debug)]
pub struct Target {
    /// Its address.
    pub server: Server,
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// Whom to trust.
    pub trust: Trust,
}

/// Why a configured vCenter cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its address has no usable form.
    #[error("vCenter `{name}`: reading `server`")]
    Server {
        /// Name of the vCenter.
        name: String,
        /// What is wrong.
        source: crate::soap::server::InvalidServer,
    },
    /// Its CA file cannot be read.
    #[error("vCenter `{name}`: reading `trust.ca_file`")]
    CaFile {
        /// Name of the vCenter.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// What it trusts cannot be used.
    #[error("vCenter `{name}`: reading `trust`")]
    Trust {
        /// Name of the vCenter.
        name: String,
        /// What is wrong.
        source: InvalidTrust,
    },
}

impl Core {
    /// Knows no vCenter yet. What is sent to them is counted.
    pub fn new(run_id: String, health: HealthReporter, metrics: SoapMetrics) -> Self {
        let settings = Settings {
            metrics,
            ..Settings::new(USER_AGENT)
        };
        let soap = move |server: &Server, trust: &Trust| -> Result<Vim, InvalidTrust> {
            Ok(Arc::new(Client::new(server, trust, &settings)?))
        };
        Self::over(Arc::new(soap), run_id, health)
    }

    /// The same, with another way to vCenters than SOAP.
    pub fn over(connect: Connect, run_id: String, health: HealthReporter) -> Self {
        Self {
            connect,
            fence: Arc::default(),
            run_id,
            ledger: Arc::new(Ledger::new(Uuid::new_v4().into_bytes())),
            health,
            connecting: Mutex::default(),
            known: Mutex::default(),
            leaving: Mutex::default(),
            sources: OnceLock::new(),
            keeper: OnceLock::new(),
        }
    }

    /// Has this policy refuse each vCenter as a source of ISOs, from now on.
    pub fn keep_sources_off(&self, policy: Policy) {
        // A second policy would be one too many: there is one store.
        let _ = self.sources.set(policy);
        self.tell_sources();
    }

    /// Has this begun for each vCenter that is followed from now on.
    pub fn for_each(&self, keeper: Keeper) {
        // A second one would be one too many: there is one store.
        let _ = self.keeper.set(keeper);
    }

    fn tell_sources(&self) {
        let Some(policy) = self.sources.get() else {
            return;
        };
        // Told while both are locked, so that the last to tell has seen the last change.
        let (known, leaving) = (self.lock(), self.lock_leaving());
        let all = known.values().chain(leaving.iter());
        policy.refuse(all.filter_map(|known| Host::parse(known.vcenter.session.host())));
    }

    /// Begins to follow the vCenters of the configuration. They need not be up.
    pub fn start(&self, configured: &[VcenterConfig]) -> Result<(), Error> {
        for config in configured {
            let vcenter = self.configured(config)?;
            self.follow(vcenter, None);
        }
        Ok(())
    }

    fn configured(&self, config: &VcenterConfig) -> Result<Arc<VCenter>, Error> {
        let VcenterConfig {
            name,
            server,
            username,
            password_file,
            trust,
        } = config;
        let of = || name.clone();
        let server = server
            .parse::<Server>()
            .map_err(|source| Error::Server { name: of(), source })?;
        let trust =
            configured_trust(trust).map_err(|source| Error::CaFile { name: of(), source })?;
        let file = password_file.clone();
        // Read anew for each login: a rotated file is used at once.
        let password: Password = Arc::new(move || {
            read_password(&file).map_err(|error| {
                let text = format!("{:#}", anyhow::Error::new(error));
                Fault::new(Reason::VcenterBadCredentials, text)
            })
        });
        let kind = trust_kind(&trust);
        let vim = (self.connect)(&server, &trust)
            .map_err(|source| Error::Trust { name: of(), source })?;
        let session = Session::new(vim, username.clone(), password, Arc::clone(&self.ledger));
        Ok(VCenter::new(
            of(),
            ConnectionOrigin::Configured,
            kind,
            session,
        ))
    }

    /// The vCenter of this name.
    pub fn vcenter(&self, name: &str) -> Result<Arc<VCenter>, Fault> {
        let known = self.lock();
        known
            .get(name)
            .map(|known| Arc::clone(&known.vcenter))
            .ok_or_else(|| {
                let what = format!("no vCenter `{name}` is known");
                Fault::new(Reason::VcenterUnknown, what).with("vcenter", name)
            })
    }

    /// All vCenters, by name.
    pub fn all(&self) -> Vec<Arc<VCenter>> {
        self.lock()
            .values()
            .map(|known| Arc::clone(&known.vcenter))
            .collect()
    }

    /// The vCenter of this target: the same one for the same target, for as long as the driver runs.
    pub fn connect(&self, target: Target, hub_id: &str) -> Result<Arc<VCenter>, Fault> {
        let identity = self.identity(&target);
        let _one_at_a_time = self
            .connecting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let same = self
            .lock()
            .values()
            .find(|known| known.target.as_ref() == Some(&identity))
            .map(|known| Arc::clone(&known.vcenter));
        let vcenter = if let Some(vcenter) = same.or_else(|| self.take_back(&identity)) {
            vcenter
        } else {
            let name = format!("{PREFIX}{:.SUFFIX$}", Uuid::new_v4().simple().to_string());
            let vcenter = self.unfollowed(name, target)?;
            self.follow(Arc::clone(&vcenter), Some(identity));
            vcenter
        };
        vcenter.add_hub(hub_id);
        Ok(vcenter)
    }

    /// A vCenter of this target that nobody follows: for a trial.
    pub fn unfollowed(&self, name: String, target: Target) -> Result<Arc<VCenter>, Fault> {
        let Target {
            server,
            username,
            password,
            trust,
        } = target;
        let kind = trust_kind(&trust);
        let vim = (self.connect)(&server, &trust).map_err(|error| untrustworthy(&error))?;
        let password: Password = Arc::new(move || Ok(Secret::new(password.expose().to_owned())));
        let session = Session::new(vim, username, password, Arc::clone(&self.ledger));
        Ok(VCenter::new(
            name,
            ConnectionOrigin::Connected,
            kind,
            session,
        ))
    }

    /// Withdraws a hub from a connected vCenter. Gives those that still use it; with the last one the
    /// name is forgotten, and the vCenter is given to be closed.
    pub fn disconnect(
        &self,
        name: &str,
        hub: &str,
    ) -> Result<(Vec<String>, Option<Arc<VCenter>>), Fault> {
        let mut known = self.lock();
        let Some(found) = known.get(name) else {
            return Ok((Vec::new(), None));
        };
        let vcenter = Arc::clone(&found.vcenter);
        if vcenter.origin == ConnectionOrigin::Configured {
            let what = format!("vCenter `{name}` is part of the driver's configuration");
            return Err(Fault::new(Reason::VcenterConfigured, what).with("vcenter", name));
        }
        let remaining = vcenter.remove_hub(hub);
        if !remaining.is_empty() {
            return Ok((remaining, None));
        }
        self.lock_leaving().extend(known.remove(name));
        Ok((remaining, Some(vcenter)))
    }

    /// A vCenter that is being left and is connected anew: two sessions for one account are one too many.
    fn take_back(&self, identity: &Identity) -> Option<Arc<VCenter>> {
        let mut known = self.lock();
        let mut leaving = self.lock_leaving();
        let same = |known: &Known| known.target.as_ref() == Some(identity);
        let at = leaving.iter().position(same)?;
        let back = leaving.remove(at);
        let vcenter = Arc::clone(&back.vcenter);
        known.insert(vcenter.name.clone(), back);
        Some(vcenter)
    }

    /// The last work in a vCenter is done. Says whether it is still to be left.
    pub fn leave(&self, vcenter: &Arc<VCenter>) -> bool {
        let mut leaving = self.lock_leaving();
        let count = leaving.len();
        leaving.retain(|known| !Arc::ptr_eq(&known.vcenter, vcenter));
        let is_left = leaving.len() < count;
        drop(leaving);
        self.tell_sources();
        is_left
    }

    /// Ends all work and logs out everywhere.
    pub async fn shutdown(&self) {
        let mut all = self.all();
        let leaving = std::mem::take(&mut *self.lock_leaving());
        all.extend(leaving.into_iter().map(|known| known.vcenter));
        futures::future::join_all(all.iter().map(|vcenter| vcenter.close())).await;
    }

    fn follow(&self, vcenter: Arc<VCenter>, target: Option<Identity>) {
        if vcenter.trust == TrustKind::Insecure {
            let server = vcenter.session.server();
            tracing::warn!(
                vcenter = vcenter.name,
                server,
                "Certificate is not verified: whoever sits between reads the password"
            );
        }
        vcenter.start();
        if let Some(keep) = self.keeper.get() {
            keep(&vcenter);
        }
        let health = report_health(Arc::clone(&vcenter), self.health.clone());
        vcenter.running.spawn(health);
        self.lock()
            .insert(vcenter.name.clone(), Known { vcenter, target });
        self.tell_sources();
    }

    fn identity(&self, target: &Target) -> Identity {
        let Target {
            server,
            username,
            password,
            trust,
        } = target;
        Identity {
            server: server.to_string(),
            username: username.clone(),
            password: self.ledger.digest(password.expose()),
            trust: trust.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Taken after `lock` where both are.
    fn lock_leaving(&self) -> MutexGuard<'_, Vec<Known>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// What is wrong with whom a caller trusts.
fn untrustworthy(error: &InvalidTrust) -> Fault {
    let field = match error {
        InvalidTrust::CaBundle => "trust.ca_bundle_pem",
        // The driver's own lack, whatever the caller gives.
        InvalidTrust::System(_) | InvalidTrust::Client(_) => "trust",
    };
    Fault::invalid(field, format!("cannot be used: {error}"))
}

/// Tells the health of `vcenter/NAME` as the connection changes, until there is nothing left to be told of.
async fn report_health(vcenter: Arc<VCenter>, mut health: HealthReporter) {
    let service = format!("vcenter/{}", vcenter.name);
    tokio::select! {
        biased;
        () = vcenter.stop.cancelled() => {}
        () = follow_health(&vcenter, &service, &health) => {}
    }
    health.clear_service_status(&service).await;
}

async fn follow_health(vcenter: &VCenter, service: &str, health: &HealthReporter) {
    let mut changes = vcenter.changes();
    let mut told = None;
    loop {
        changes.catch_up();
        let connected = vcenter.freshness().connection_state() == ConnectionState::Connected;
        let status = if connected {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        if told != Some(connected) {
            told = Some(connected);
            health.set_service_status(service, status).await;
        }
        changes.rung().await;
    }
}

#[cfg(test)]
mod tests;
