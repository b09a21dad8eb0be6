//! What is to be known and done about the Agents of a template's machines. Pure.

pub(crate) mod approval;
pub(crate) mod identity;
pub(crate) mod labels;
pub(crate) mod phase;
pub(crate) mod selector;

#[cfg(test)]
pub(crate) mod fixtures {
    //! Agents to test with.

    use super::identity::Identity;
    use crate::kinds::agent::{Agent, AgentCondition, ClusterDeploymentName, Disk, Interface};
    use contract::identity::MachineKey;
    use uuid::Uuid;

    /// BIOS UUID of the machine of slot 1.
    pub(crate) const UUID: &str = "420e3f74-ea84-f9a2-0102-030405060708";
    /// MAC address of the machine of slot 1.
    pub(crate) const MAC: &str = "00:50:56:aa:bb:01";

    /// What sets the machine of this slot apart.
    pub(crate) fn identity(slot: i32) -> Identity {
        let key = MachineKey {
            hub_id: "hub".into(),
            owner_uid: "owner".into(),
            slot,
        };
        Identity {
            bios_uuid: match slot {
                1 => Uuid::parse_str(UUID).unwrap(),
                _ => key.bios_uuid(),
            },
            macs: vec![format!("00:50:56:aa:bb:{slot:02}")],
            agent_name: String::new(),
        }
    }

    /// An Agent that tells these; what is empty it does not tell.
    pub(crate) fn agent(name: &str, serial: &str, mac: &str) -> Agent {
        let mut agent = Agent::default();
        agent.meta.name = name.into();
        agent.meta.namespace = "agents".into();
        agent.meta.uid = format!("uid-{name}");
        let inventory = &mut agent.status.inventory;
        inventory.system_vendor.serial_number = serial.into();
        if !mac.is_empty() {
            inventory.interfaces.push(Interface {
                mac_address: mac.into(),
            });
        }
        agent
    }

    /// An Agent in this state of the installer's service.
    pub(crate) fn in_state(state: &str) -> Agent {
        let mut agent = agent(UUID, "None", MAC);
        agent.status.debug_info.state = state.into();
        agent
    }

    /// It belongs to a cluster.
    pub(crate) fn bound(mut agent: Agent) -> Agent {
        agent.spec.cluster_deployment_name = Some(ClusterDeploymentName {
            name: "hosted".into(),
            namespace: "clusters-hosted".into(),
        });
        agent
    }

    /// It has a condition with this message.
    pub(crate) fn with_condition(mut agent: Agent, type_: &str, message: &str) -> Agent {
        agent.status.conditions.push(AgentCondition {
            type_: type_.into(),
            status: "False".into(),
            message: message.into(),
            ..AgentCondition::default()
        });
        agent
    }

    /// A disk at this address.
    pub(crate) fn disk(id: &str, hctl: &str, eligible: bool) -> Disk {
        let mut disk = Disk {
            id: id.into(),
            hctl: hctl.into(),
            ..Disk::default()
        };
        disk.installation_eligibility.eligible = eligible;
        disk
    }
}
