//! The reasons of conditions that only the controller can see. All others are the contract's: what the
//! driver told is passed on with its word.

/// Makes the enum, and for each reason its word, the name itself, and the conditions that give it.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident: $($condition:ident)+,)*) => {
        /// Why a condition is as it is, where the driver was not asked or has nothing to object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it stands in a condition.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The types of the conditions that give it.
            pub const fn conditions(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$(stringify!($condition)),+],)*
                }
            }
        }
    };
}

reasons! {
    /// The spec fulfils all that is demanded of it.
    Valid: SpecValid,
    /// The spec does not; the message names each field. Correct it.
    Invalid: SpecValid,
    /// Nothing is done because the spec is not valid. See `SpecValid`.
    SpecInvalid: VMsCreated VMsRemoved SelfHealing,
    /// The first answer is awaited.
    Connecting: DriverConnected VSphereConnected,
    /// The driver was not asked, for want of a credential. See `VSphereConnected`.
    NotAsked: DriverConnected,
    /// Driver or vCenter is connected.
    Connected: DriverConnected VSphereConnected,
    /// vCenter is connected, and its machines are being read.
    Syncing: VSphereConnected,
    /// There is no Secret of the name that the template gives. Create it.
    CredentialsNotFound: VSphereConnected,
    /// The Secret lacks a key, or a value of it cannot be used. Correct it.
    CredentialsInvalid: VSphereConnected,
    /// The controller may not read the Secret. Grant it get, list and watch.
    CredentialsUnreadable: VSphereConnected,
    /// The Secret leads to another vCenter than the one that holds the machines.
    VCenterChanged: VSphereConnected VMsCreated VMsRemoved SelfHealing,
    /// The template itself says how many machines there shall be.
    TestMode: NodePoolFound,
    /// The node pool says how many machines there shall be.
    NodePoolFound: NodePoolFound,
    /// It is paused: nothing is scaled.
    NodePoolPaused: NodePoolFound,
    /// Node pools are being read. Wait.
    NodePoolSyncing: NodePoolFound,
    /// The hub does not have node pools. Install HyperShift, or use test mode.
    NodePoolKindMissing: NodePoolFound,
    /// The node pool cannot be read. Let the controller get, list and watch it.
    NodePoolUnreadable: NodePoolFound,
    /// The node pool is not for Agents. Take another.
    NodePoolPlatform: NodePoolFound,
    /// There is no such node pool. Create it, or correct `nodePoolRef`.
    NodePoolNotFound: NodePoolFound SelfHealing,
    /// The node pool is gone. Delete the template, too, or create the node pool anew.
    NodePoolDeleted: NodePoolFound,
    /// The node pool is gone, and was not seen being deleted: its machines are kept for a while. Create it anew,
    /// or see `ScaleDownHeld`.
    NodePoolVanished: NodePoolFound,
    /// The node pool is being deleted. Wait.
    NodePoolDeleting: NodePoolFound SelfHealing,
    /// An older template makes the machines of the same node pool: delete one of the two. Of
    /// `AdoptionRequired`: machines bear the mark of a template that is no more. Adopt them.
    Conflict: NodePoolFound AdoptionRequired,
    /// Nobody can be heard who says how many machines there shall be. See `NodePoolFound`.
    NodePoolNotHeard: VMsCreated SelfHealing Ready,
    /// The template is being deleted, and asks for nothing.
    TemplateDeleting: NodePoolFound SelfHealing,
    /// More than half of the machines would go at once. Permit it, or raise the number again.
    ScaleDownHeld: ScaleDownHeld SelfHealing,
    /// No change of the number is held.
    NothingHeld: ScaleDownHeld,
    /// Nothing was looked up yet. See `VSphereConnected` and `SpecValid`.
    NotChecked: ResourcesValidated ISOReady,
    /// Every name in the spec stands for something that can be used.
    ResourcesValidated: ResourcesValidated,
    /// The room was not measured yet. See `VSphereConnected` and `SpecValid`.
    CapacityNotRead: ResourcesAvailable,
    /// There is room for all machines that are missing.
    SufficientResources: ResourcesAvailable,
    /// There is room for some of the machines that are missing, not for all.
    InsufficientResources: ResourcesAvailable,
    /// There is room for none of the machines that are missing.
    NoCapacity: ResourcesAvailable,
    /// No limit is set.
    NoQuotaConfigured: QuotaAvailable,
    /// Fewer machines are asked for than the limits permit.
    WithinQuota: QuotaAvailable,
    /// As many machines are asked for as `softMaxVms`.
    ApproachingQuota: QuotaAvailable,
    /// More machines are asked for than `maxVms`; the surplus is not made.
    MaxVmsReached: QuotaAvailable,
    /// The ISO is on its datastore, and whole.
    ISOReady: ISOReady,
    /// The ISO is on its way to its datastore. Wait.
    Uploading: ISOReady,
    /// Objects of the kind `InfraEnv` are being read. Wait.
    InfraEnvSyncing: ISOReady,
    /// The hub does not have the kind `InfraEnv`. Install the assisted installer, or take another type of
    /// `agentISO`.
    InfraEnvKindMissing: ISOReady,
    /// The InfraEnv cannot be read. Let the controller get, list and watch it.
    InfraEnvUnreadable: ISOReady,
    /// There is no such InfraEnv. Create it, or correct `agentISO.infraEnv`.
    InfraEnvNotFound: ISOReady,
    /// The InfraEnv has no image; the message says why.
    InfraEnvNotReady: ISOReady,
    /// The InfraEnv is neither in the template's namespace nor where its Agents are. Take one that is.
    InfraEnvNotPermitted: ISOReady,
    /// The authorities of the hub's routes are being read. Wait.
    IngressCASyncing: ISOReady,
    /// There is no Secret of the name that `agentISO.requestSecret` gives. Create it.
    RequestSecretNotFound: ISOReady,
    /// A value of that Secret cannot be used. Correct it.
    RequestSecretInvalid: ISOReady,
    /// That Secret is being read. Wait.
    RequestSecretSyncing: ISOReady,
    /// The controller cannot read that Secret. Grant it get, list and watch.
    RequestSecretUnreadable: ISOReady,
    /// That Secret is not for the host that would be sent what is in it. Add the host to its `hosts`.
    RequestSecretNotPermitted: ISOReady,
    /// Machines are to be made, and there is no ISO for them yet. See `ISOReady`.
    WaitingForISO: VMsCreated,
    /// There are as many machines as there shall be, none of them failed.
    VMsReconciled: VMsCreated,
    /// Machines are being made. Wait.
    Reconciling: VMsCreated,
    /// No machine is to go, or all that were are gone.
    NothingToRemove: VMsRemoved,
    /// Machines are being removed. Wait.
    Removing: VMsRemoved,
    /// Machines that are not wanted any more are workers of a cluster, and stay until it gives them back. Scale
    /// their `NodePool` down, or delete their Machines.
    WorkersBound: VMsRemoved,
    /// Agents cannot be looked at, so that nobody can tell which machines are in use. The message says why.
    AgentsNotSeen: VMsRemoved SelfHealing,
    /// All machines are of the present spec.
    UpToDate: VMsUpToDate,
    /// Machines are of an earlier spec, and left as they are.
    Drifted: VMsUpToDate,
    /// Machines bear the mark of this template, but are copies of others.
    MarkCopied: VMsUpToDate,
    /// The companion has made machines for this template: nothing is made or removed until they are adopted.
    CompanionVMs: AdoptionRequired,
    /// No machine waits for its adoption.
    NoCompanionVMs: AdoptionRequired,
    /// The machines were given up to the companion; nothing is made or removed.
    Released: AdoptionRequired VMsCreated VMsRemoved SelfHealing,
    /// Nothing is done because machines wait for their adoption. See the condition `AdoptionRequired`.
    AdoptionRequired: VMsCreated VMsRemoved SelfHealing,
    /// Each machine got on within its deadlines, or has time left.
    Healthy: SelfHealing,
    /// Machines that did not get on are being replaced. Wait.
    Replacing: SelfHealing,
    /// Machines are not nodes in time, and a cluster has them: replacing them is Cluster API's.
    InstallationOverdue: SelfHealing,
    /// Machine after machine was replaced, and none got on. Find out why, then close the circuit.
    CircuitOpen: SelfHealing,
    /// vCenter cannot be looked at; what was seen last stays. See `VSphereConnected`.
    NotSeen: AdoptionRequired VMsCreated VMsRemoved SelfHealing Ready,
    /// An annotation says that nothing is to be done.
    Paused: Paused VMsCreated VMsRemoved SelfHealing,
    /// All machines are there and on.
    AllReady: Ready,
    /// Not all are. See `VMsCreated`, `VMsRemoved` and `vmStatus`.
    NotAllReady: Ready,
}

#[cfg(test)]
mod tests;
