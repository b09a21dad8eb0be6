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
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Instant, sleep};

use super::{Pace, Place};

/// How long the holder of a Lease waits that does not say it.
const USUAL: SignedDuration = SignedDuration::from_secs(15);
/// How often a write is tried again after another write came first.
const ATTEMPTS: usize = 5;

/// A Lease that this process may hold.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    leases: Api<Lease>,
    name: &'static str,
    identity: String,
    pace: Pace,
    now: fn() -> Timestamp,
    observed: Arc<Mutex<Option<Observed>>>,
}

/// What was seen of the holder, and since when by our own clock: theirs may be wrong.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    spec: LeaseSpec,
    at: Timestamp,
}

/// What became of raising the epoch.
enum Raise {
    Done(i32),
    NotOurs,
    /// Somebody wrote first: it may have been a renewal of our own.
    Conflict,
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
    let seconds = spec
        .lease_duration_seconds
        .map_or(USUAL, |seconds| SignedDuration::from_secs(seconds.into()));
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
        name: &'static str,
        at: &Place<'_>,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            leases: Api::namespaced(client, at.namespace),
            name,
            identity: at.identity.into(),
            pace: at.pace,
            now,
            observed: Arc::default(),
        }
    }

    /// Watches the holder for signs of life, for ever, without taking anything.
    pub(super) async fn observe(&self) {
        loop {
            // Whoever acquires it meets an error again, and tells of it.
            if let Ok(Some(lease)) = self.leases.get_opt(self.name).await {
                self.note(&lease.spec.unwrap_or_default(), (self.now)());
            }
            sleep(self.pace.interval()).await;
        }
    }

    /// Waits until the Lease is held, and says how often it has changed hands.
    pub(super) async fn acquire(&self) -> i32 {
        loop {
            match self.try_acquire().await {
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
            sleep(self.pace.interval()).await;
        }
    }

    /// Renews the Lease, and returns when it is lost.
    pub(super) async fn hold(&self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < self.pace.deadline() {
            sleep(self.pace.interval()).await;
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

    /// Moves the transitions above this number, and returns them; `None` if the Lease is not ours.
    pub(super) async fn raise(&self, above: i32) -> Option<i32> {
        for _ in 0..ATTEMPTS {
            match self.try_raise(above).await {
                Ok(Raise::Done(transitions)) => {
                    tracing::warn!(
                        lease = self.name,
                        seen = above,
                        epoch = transitions,
                        "Lease began anew; its epoch was moved above the one that was seen"
                    );
                    return Some(transitions);
                }
                Ok(Raise::NotOurs) => return None,
                Ok(Raise::Conflict) => {}
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(lease = self.name, error, "Raising the epoch failed");
                    sleep(self.pace.interval()).await;
                }
            }
        }
        None
    }

    async fn try_raise(&self, above: i32) -> Result<Raise, kube::Error> {
        let now = (self.now)();
        let Some(mut lease) = self.leases.get_opt(self.name).await? else {
            return Ok(Raise::NotOurs);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let next = above.checked_add(1);
        let (true, Some(next)) = (spec.holder_identity.as_ref() == Some(&self.identity), next)
        else {
            return Ok(Raise::NotOurs);
        };
        let transitions = next.max(spec.lease_transitions.unwrap_or_default());
        lease.spec = Some(LeaseSpec {
            acquire_time: spec.acquire_time,
            ..self.spec(now, transitions)
        });
        let written = self.replace(&lease).await?;
        Ok(if written {
            Raise::Done(transitions)
        } else {
            Raise::Conflict
        })
    }

    /// Notes what is seen of the holder, and since when it is so.
    fn note(&self, spec: &LeaseSpec, now: Timestamp) -> Timestamp {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*observed {
            Some(observed) if observed.spec == *spec => observed.at,
            _ => {
                let spec = spec.clone();
                *observed = Some(Observed { spec, at: now });
                now
            }
        }
    }

    async fn try_acquire(&self) -> Result<Option<i32>, kube::Error> {
        let now = (self.now)();
        let Some(mut lease) = self.leases.get_opt(self.name).await? else {
            return self.create(now).await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let since = self.note(&spec, now);
        match step(&spec, &self.identity, since, now) {
            Step::Wait => Ok(None),
            Step::Renew => Ok(Some(spec.lease_transitions.unwrap_or_default())),
            Step::Take(transitions) => {
                lease.spec = Some(self.spec(now, transitions));
                Ok(self.replace(&lease).await?.then_some(transitions))
            }
        }
    }

    /// Whether the Lease is still ours.
    async fn renew(&self) -> Result<bool, kube::Error> {
        for _ in 0..ATTEMPTS {
            let mut lease = self.leases.get(self.name).await?;
            let spec = lease.spec.clone().unwrap_or_default();
            if spec.holder_identity.as_ref() != Some(&self.identity) {
                return Ok(false);
            }
            let transitions = spec.lease_transitions.unwrap_or_default();
            lease.spec = Some(LeaseSpec {
                acquire_time: spec.acquire_time,
                ..self.spec((self.now)(), transitions)
            });
            if self.replace(&lease).await? {
                return Ok(true);
            }
            // Whoever wrote first need not have taken it: it is read again.
        }
        Ok(false)
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
            lease_duration_seconds: i32::try_from(self.pace.duration().as_secs()).ok(),
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
