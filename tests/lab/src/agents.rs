//! What stands around a node pool: the guests, the assisted installer, the agent provider of Cluster
//! API, and the part of HyperShift that makes machines of a NodePool.
//!
//! All of it is played from what those projects document, on the objects of a real hub and the
//! machines of the simulated vCenter. Nothing here reads a status of ours.

mod guest;
mod hub;
mod infra_env;
mod installer;
mod json;
mod orders;
mod pool;
mod provider;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;

use tokio::task::JoinHandle;

pub use self::guest::{Guest, product_uuid, serial_number};
use self::hub::Hub;
pub use self::infra_env::InfraEnv;
pub use self::installer::{Stage, State};
pub use self::orders::{Orders, Pace, Trouble};
pub use self::pool::{DELETE_FIRST, IMAGE, Pool, SURGE};
use crate::Lab;
use crate::error::Result;

/// Which of them are played, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    /// The assisted installer, and with it the guests.
    pub installer: bool,
    /// The provider that binds Agents to Machines.
    pub provider: bool,
    /// What makes Machines of a NodePool.
    pub workers: bool,
    /// How long they take.
    pub pace: Pace,
}

impl Default for Cast {
    fn default() -> Self {
        Self {
            installer: true,
            provider: true,
            workers: true,
            pace: Pace::default(),
        }
    }
}

/// Simulators at work, until this is dropped.
#[derive(Debug)]
pub struct Agents {
    orders: Arc<Orders>,
    tasks: Vec<JoinHandle<()>>,
}

// === impl Agents ===

impl Agents {
    /// Starts them for all objects in the lab's namespace and in those whose names begin with it.
    pub async fn start(lab: &Lab, cast: Cast) -> Result<Self> {
        Self::over(
            lab.client()?,
            lab.namespace(),
            lab.vcenter().control(),
            cast,
        )
        .await
    }

    async fn over(
        client: kube::Client,
        namespace: &str,
        vcenter: SocketAddr,
        cast: Cast,
    ) -> Result<Self> {
        let orders = Arc::new(Orders::new(cast.pace));
        let mut tasks = Vec::new();
        let hub = Hub::watch(client, namespace, &mut tasks).await?;
        if cast.installer {
            let installer = installer::run(hub.clone(), vcenter, Arc::clone(&orders));
            tasks.push(tokio::spawn(installer));
        }
        if cast.provider {
            tasks.push(tokio::spawn(provider::run(hub.clone(), cast.pace)));
        }
        if cast.workers {
            tasks.push(tokio::spawn(workers::run(hub, cast.pace)));
        }
        Ok(Self { orders, tasks })
    }

    /// What they are told to do otherwise than usual.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The time for what the simulators write into objects.
fn now() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever is played has a clock, and no rule of ours depends on it"
    )]
    let now = Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
