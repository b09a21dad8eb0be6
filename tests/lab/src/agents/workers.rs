//! What makes Machines of a NodePool: HyperShift's part, and that of Cluster API.

mod objects;
mod rule;

use self::rule::{Seen, steps};
use super::hub::{Hub, Kind};
use super::orders::Pace;
use super::provider::act;

/// Plays both until it is aborted.
pub(super) async fn run(hub: Hub, pace: Pace) {
    let mut changes = hub.changes();
    loop {
        let seen = Seen {
            pools: hub.objects(Kind::NodePool),
            deployments: hub.objects(Kind::MachineDeployment),
            sets: hub.objects(Kind::MachineSet),
            machines: hub.objects(Kind::Machine),
            agent_machines: hub.objects(Kind::AgentMachine),
        };
        act(&hub, steps(&seen, fresh_name)).await;
        tokio::time::sleep(pace.look / 4).await;
        hub.wait(&mut changes, pace.look).await;
    }
}

/// The end of a name that nobody had before.
fn fresh_name() -> String {
    let random = crate::secret::random().unwrap_or_default();
    random.chars().take(8).collect()
}
