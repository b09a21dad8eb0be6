//! The calls to the driver that a bench makes itself, as a person.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use contract::v1::v_centers_client::VCentersClient;
use contract::v1::virtual_machines_client::VirtualMachinesClient;
use contract::v1::watch_virtual_machines_response::Event;
use contract::v1::{
    self as pb, DeleteVirtualMachinesRequest, EnsureVirtualMachinesRequest, Fault,
    ListVCentersRequest, ListVirtualMachinesRequest, Owner, PowerState, SetPowerStateRequest,
    VirtualMachine, VirtualMachineIdentity, VirtualMachineKey, VirtualMachineRef,
    VirtualMachineResult, VirtualMachineState,
};
use lab::{DATASTORE, Lab, VCENTER};
use tonic::Status;
use tonic::transport::Channel;

/// Whose machines they are.
const OWNER: &str = "bench";
/// How long the driver may hold a reply.
const WAIT: Duration = Duration::from_mins(10);
/// As the contract limits messages.
const MESSAGE: usize = 4 * 1024 * 1024;
/// Machines in one request.
pub(super) const BATCH: i32 = 1_000;

/// A client of the driver's machines.
#[derive(Debug, Clone)]
pub(super) struct Machines {
    client: VirtualMachinesClient<Channel>,
    vcenters: VCentersClient<Channel>,
}

/// How a call that was repeated until it was accepted went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Accepted {
    /// How often it was refused before.
    pub(super) refusals: u64,
    /// How often it was refused without saying when to come back.
    pub(super) without_time: u64,
}

impl Machines {
    /// A client with the certificate of a person.
    pub(super) async fn of(lab: &Lab) -> anyhow::Result<Self> {
        let channel = lab.channel().await?;
        let vcenters = VCentersClient::new(channel.clone());
        let client = VirtualMachinesClient::new(channel).max_decoding_message_size(MESSAGE);
        Ok(Self { client, vcenters })
    }

    /// The name of the one vCenter that the driver is connected to.
    pub(super) async fn connected(&self) -> anyhow::Result<String> {
        let request = ListVCentersRequest::default();
        let reply = self.vcenters.clone().list_v_centers(request).await?;
        let first = reply.into_inner().vcenters.into_iter().next();
        first
            .map(|vcenter| vcenter.name)
            .context("the driver has no vCenter")
    }

    /// Waits until the driver has read the vCenter of its configuration.
    pub(super) async fn until_synced(&self) -> anyhow::Result<()> {
        let mut messages = self.watch(VCENTER, "", "").await?;
        while let Some(message) = messages.message().await? {
            if matches!(message.event, Some(Event::SnapshotEnd(_))) {
                return Ok(());
            }
        }
        anyhow::bail!("the watch has ended")
    }

    /// Asks for machines of these slots; with `wait` until they are on.
    pub(super) async fn ensure(
        &self,
        slots: impl IntoIterator<Item = i32>,
        wait: bool,
    ) -> Result<Vec<VirtualMachineResult>, Status> {
        let identity = |slot| VirtualMachineIdentity {
            slot,
            ..VirtualMachineIdentity::default()
        };
        let request = EnsureVirtualMachinesRequest {
            vcenter: VCENTER.to_owned(),
            owner: Some(Owner {
                name: OWNER.to_owned(),
                ..Owner::default()
            }),
            identities: slots.into_iter().map(identity).collect(),
            spec: Some(spec()),
            wait: duration(wait),
            ..EnsureVirtualMachinesRequest::default()
        };
        let reply = self.client.clone().ensure_virtual_machines(request).await?;
        Ok(reply.into_inner().results)
    }

    /// Asks until it is accepted, each time when the driver says.
    pub(super) async fn ensure_accepted(&self, slots: Vec<i32>) -> anyhow::Result<Accepted> {
        let mut accepted = Accepted::default();
        loop {
            let Err(status) = self.ensure(slots.iter().copied(), false).await else {
                return Ok(accepted);
            };
            let fault = Fault::of_status(&status).with_context(|| format!("{status}"))?;
            anyhow::ensure!(fault.reason() == pb::Reason::Overloaded, "refused: {fault}");
            accepted.refusals += 1;
            let wait = fault.wait();
            accepted.without_time += u64::from(wait.is_none());
            tokio::time::sleep(wait.unwrap_or(Duration::from_secs(1))).await;
        }
    }

    /// Removes machines, and gives the seconds until they are gone.
    pub(super) async fn delete(&self, slots: &[i32]) -> anyhow::Result<f64> {
        let request = DeleteVirtualMachinesRequest {
            vcenter: VCENTER.to_owned(),
            machines: references(slots),
            wait: duration(true),
            ..DeleteVirtualMachinesRequest::default()
        };
        let began = Instant::now();
        let reply = self.client.clone().delete_virtual_machines(request).await?;
        all_done(&reply.get_ref().results, reply.get_ref().done)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Switches machines off, and gives the seconds until they are.
    pub(super) async fn switch_off(&self, slots: &[i32]) -> anyhow::Result<f64> {
        let request = SetPowerStateRequest {
            vcenter: VCENTER.to_owned(),
            machines: references(slots),
            power_state: PowerState::Off.into(),
            wait: duration(true),
            ..SetPowerStateRequest::default()
        };
        let began = Instant::now();
        let reply = self.client.clone().set_power_state(request).await?;
        all_done(&reply.get_ref().results, reply.get_ref().done)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// All machines, page by page.
    pub(super) async fn list(&self) -> anyhow::Result<Vec<VirtualMachine>> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListVirtualMachinesRequest {
                vcenter: VCENTER.to_owned(),
                page_size: BATCH,
                page_token,
                ..ListVirtualMachinesRequest::default()
            };
            let reply = self.client.clone().list_virtual_machines(request).await?;
            let reply = reply.into_inner();
            all.extend(reply.machines);
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Opens a watch of a hub's machines.
    pub(super) async fn watch(
        &self,
        vcenter: &str,
        hub_id: &str,
        resume_token: &str,
    ) -> anyhow::Result<tonic::Streaming<pb::WatchVirtualMachinesResponse>> {
        let request = pb::WatchVirtualMachinesRequest {
            vcenter: vcenter.to_owned(),
            filter: Some(pb::VirtualMachineFilter {
                hub_id: hub_id.to_owned(),
                ..pb::VirtualMachineFilter::default()
            }),
            resume_token: resume_token.to_owned(),
            ..pb::WatchVirtualMachinesRequest::default()
        };
        let opened = self.client.clone().watch_virtual_machines(request).await?;
        Ok(opened.into_inner())
    }
}

/// Fails unless each machine of a call reached its goal.
pub(super) fn all_done(results: &[VirtualMachineResult], done: bool) -> anyhow::Result<()> {
    if let Some(fault) = results.iter().find_map(|result| result.fault.as_ref()) {
        anyhow::bail!("a machine failed: {fault}");
    }
    anyhow::ensure!(done, "not done within {WAIT:?}");
    Ok(())
}

/// How many of the machines run.
pub(super) fn running(machines: &[VirtualMachine]) -> usize {
    let runs = |it: &&VirtualMachine| it.state() == VirtualMachineState::Running;
    machines.iter().filter(runs).count()
}

fn references(slots: &[i32]) -> Vec<VirtualMachineRef> {
    let reference = |slot: &i32| {
        let key = VirtualMachineKey {
            owner_uid: OWNER.to_owned(),
            slot: *slot,
            ..VirtualMachineKey::default()
        };
        VirtualMachineRef {
            r#ref: Some(pb::virtual_machine_ref::Ref::Key(key)),
            ..VirtualMachineRef::default()
        }
    };
    slots.iter().map(reference).collect()
}

fn duration(wait: bool) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(WAIT).ok().filter(|_| wait)
}

/// A machine on the cluster that every simulator has.
fn spec() -> pb::VirtualMachineSpec {
    pb::VirtualMachineSpec {
        placement: Some(pb::Placement {
            datacenter: "DC0".to_owned(),
            cluster: "DC0_C0".to_owned(),
            datastore: DATASTORE.to_owned(),
            ..pb::Placement::default()
        }),
        disks: vec![pb::Disk { size_gib: 20 }],
        network_interfaces: vec![pb::NetworkInterface {
            network: "VM Network".to_owned(),
        }],
        ..pb::VirtualMachineSpec::default()
    }
}
