//! Resolves names to the addresses that the policy lets through, and to no others: what is checked is what
//! is connected to.

use super::{
    address::carried,
    policy::{Host, Policy, Whose},
    rule::Rule,
};
use futures::future::join_all;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// How long the name of a vCenter is looked up, before it is taken for what it was: a source must not wait
/// for a name that has nothing to do with it.
const VCENTER_LOOKUP: Duration = Duration::from_secs(3);
/// Any port: none is spoken to.
const ANY_PORT: u16 = 9;

/// What the driver learns from its machine about addresses.
#[async_trait::async_trait]
pub(super) trait Network: fmt::Debug + Send + Sync {
    /// The addresses of a name.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// Whether this machine has this address.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// The machine that the driver runs on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine;

/// Resolves under a policy. Clones share what they know.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    policy: Policy,
    network: Arc<dyn Network>,
    /// What vCenters resolved to, for when they cannot be resolved.
    vcenters: Arc<Mutex<BTreeMap<String, BTreeSet<IpAddr>>>>,
}

/// A host that is refused for its addresses.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` {rule}")]
pub(super) struct Refused {
    pub(super) host: Host,
    pub(super) rule: Rule,
}

// === impl Machine ===

#[async_trait::async_trait]
impl Network for Machine {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, ANY_PORT)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }

    fn is_own(&self, address: IpAddr) -> bool {
        let any: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Sends nothing: only the route is chosen, and that to an own address begins at that address.
        let from = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect((address, ANY_PORT))?;
            socket.local_addr()
        });
        from.is_ok_and(|from| from.ip() == address)
    }
}

// === impl Resolver ===

impl Resolver {
    pub(super) fn new(policy: Policy, network: Arc<dyn Network>) -> Self {
        Self {
            policy,
            network,
            vcenters: Arc::default(),
        }
    }

    /// Those of the addresses that `host` may be connected at; refused when there is none.
    pub(super) async fn let_through(
        &self,
        host: &Host,
        addresses: &[IpAddr],
    ) -> Result<Vec<IpAddr>, Refused> {
        let vcenters = self.vcenters().await;
        let mut refused_by = None;
        let passed = addresses.iter().copied().filter(|address| {
            let end = carried(*address);
            let whose = if vcenters.contains(&end) {
                Whose::Vcenter
            } else if self.network.is_own(end) {
                Whose::Driver
            } else {
                Whose::Others
            };
            let verdict = self.policy.address(host, *address, whose);
            refused_by = refused_by.or(verdict.err());
            verdict.is_ok()
        });
        let passed: Vec<_> = passed.collect();
        match refused_by {
            Some(rule) if passed.is_empty() => Err(Refused {
                host: host.clone(),
                rule,
            }),
            _ => Ok(passed),
        }
    }

    /// The present addresses of the vCenters.
    async fn vcenters(&self) -> BTreeSet<IpAddr> {
        let found = self.policy.vcenters().into_iter().map(async |host| {
            let name = match host {
                Host::Address(address) => return BTreeSet::from([address]),
                Host::Name(name) => name,
            };
            match timeout(VCENTER_LOOKUP, self.network.addresses(&name)).await {
                Ok(Ok(found)) => {
                    let found: BTreeSet<_> = found.into_iter().map(carried).collect();
                    self.lock().insert(name, found.clone());
                    found
                }
                Ok(Err(_)) | Err(_) => self.lock().get(&name).cloned().unwrap_or_default(),
            }
        });
        join_all(found).await.into_iter().flatten().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<IpAddr>>> {
        self.vcenters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let host = Host::Name(name.as_str().to_ascii_lowercase());
            let found = resolver.network.addresses(name.as_str()).await?;
            let passed = resolver.let_through(&host, &found).await?;
            // The port is set by who connects.
            let passed = passed
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(passed) as Addrs)
        })
    }
}
