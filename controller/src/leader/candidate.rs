//! A Lease that is taken, renewed and given up.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Others wait this long for a sign of life.
const DURATION: SignedDuration = SignedDuration::from_secs(15);
/// A holder that could not renew for this long has lost it.
const DEADLINE: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(2);

/// A Lease that this process may hold.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    leases: Api<Lease>,
    name: &'static str,
    identity: String,
    now: fn() -> Timestamp,
}

/// What was seen of the holder, and since when by our own clock: theirs may be wrong.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    spec: LeaseSpec,
    at: Timestamp,
}

/// What to do about a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Somebody else holds it.
    Wait,
    /// It is free, or its holder is silent: take it with so many transitions.
    Take(i32),
    /// It is ours.
    Renew,
}

fn step(spec: &LeaseSpec, identity: &str, observed_at: Timestamp, now: Timestamp) -> Step {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.map_or(DURATION, |seconds| {
        SignedDuration::from_secs(seconds.into())
    });
    let silent = now.duration_since(observed_at) > seconds;
    let next = spec.lease_transitions.unwrap_or_default().saturating_add(1);
    match () {
        () if holder == identity => Step::Renew,
        () if holder.is_empty() || silent => Step::Take(next),
        () => Step::Wait,
    }
}

// === impl Candidate ===

impl Candidate {
    /// A candidate for the Lease of this name.
    pub(super) fn new(
        client: Client,
        namespace: &str,
        name: &'static str,
        identity: &str,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name,
            identity: identity.into(),
            now,
        }
    }

    /// Waits until the Lease is held, and says how often it has changed hands.
    pub(super) async fn acquire(&self) -> i32 {
        let mut observed = None;
        loop {
            match self.try_acquire(&mut observed).await {
                Ok(Some(epoch)) => {
                    tracing::info!(lease = self.name, epoch, "Lease taken");
                    return epoch;
                }
                Ok(None) => tracing::debug!(lease = self.name, "Lease is held by another"),
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(lease = self.name, error, "Taking the Lease failed");
                }
            }
            sleep(RENEW).await;
        }
    }

    /// Renews the Lease, and returns when it is lost.
    pub(super) async fn hold(&self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < DEADLINE {
            sleep(RENEW).await;
            match self.renew().await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => break,
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(lease = self.name, error, "Renewing the Lease failed");
                }
            }
        }
        tracing::error!(lease = self.name, "Lease lost");
    }

    /// Gives the Lease up, so that another need not wait.
    pub(super) async fn release(&self) {
        let released = async {
            let mut lease = self.leases.get(self.name).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_ref() == Some(&self.identity) {
                spec.holder_identity = None;
                self.replace(&lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        if let Err(error) = released.await {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(lease = self.name, error, "Giving up the Lease failed");
        }
    }

    async fn try_acquire(
        &self,
        observed: &mut Option<Observed>,
    ) -> Result<Option<i32>, kube::Error> {
        let now = (self.now)();
        let Some(mut lease) = self.leases.get_opt(self.name).await? else {
            return self.create(now).await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if observed
            .as_ref()
            .is_none_or(|observed| observed.spec != spec)
        {
            *observed = Some(Observed {
                spec: spec.clone(),
                at: now,
            });
        }
        let since = observed.as_ref().map_or(now, |observed| observed.at);
        match step(&spec, &self.identity, since, now) {
            Step::Wait => Ok(None),
            Step::Renew => Ok(Some(spec.lease_transitions.unwrap_or_default())),
            Step::Take(transitions) => {
                lease.spec = Some(self.spec(now, transitions));
                Ok(self.replace(&lease).await?.then_some(transitions))
            }
        }
    }

    async fn renew(&self) -> Result<bool, kube::Error> {
        let now = (self.now)();
        let mut lease = self.leases.get(self.name).await?;
        let spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_ref() != Some(&self.identity) {
            return Ok(false);
        }
        let acquired = spec.acquire_time.clone();
        let transitions = spec.lease_transitions.unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            acquire_time: acquired,
            ..self.spec(now, transitions)
        });
        self.replace(&lease).await
    }

    async fn create(&self, now: Timestamp) -> Result<Option<i32>, kube::Error> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.into()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(now, 0)),
        };
        match self.leases.create(&PostParams::default(), &lease).await {
            Ok(_) => Ok(Some(0)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether nobody else wrote first.
    async fn replace(&self, lease: &Lease) -> Result<bool, kube::Error> {
        let params = PostParams::default();
        match self.leases.replace(self.name, &params, lease).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn spec(&self, now: Timestamp, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            acquire_time: Some(MicroTime(now)),
            renew_time: Some(MicroTime(now)),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: Option<&str>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(Into::into),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_is_taken_from_nobody_but_the_silent() {
        for (why, holder, silent_for, expected) in [
            ("free", None, 0, Step::Take(5)),
            ("given up", Some(""), 0, Step::Take(5)),
            ("ours", Some("me"), 99, Step::Renew),
            ("alive", Some("other"), 15, Step::Wait),
            ("silent", Some("other"), 16, Step::Take(5)),
        ] {
            let now = Timestamp::from_second(silent_for).unwrap();
            let found = step(&lease(holder), "me", Timestamp::UNIX_EPOCH, now);
            assert_eq!(found, expected, "{why}");
        }
    }
}
