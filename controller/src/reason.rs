//! The reasons of conditions that only the controller can see. All others are the contract's: what the
//! driver told is passed on with its word.

/// Makes the enum, and for each reason its word: the name itself.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
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
        }
    };
}

reasons! {
    /// The spec fulfils all that is demanded of it.
    Valid,
    /// The spec does not; the message names each field. Correct it.
    Invalid,
    /// Nothing is done because the spec is not valid. See `SpecValid`.
    SpecInvalid,
    /// The first answer is awaited.
    Connecting,
    /// The driver was not asked, for want of a credential. See `VSphereConnected`.
    NotAsked,
    /// Driver or vCenter is connected.
    Connected,
    /// vCenter is connected, and its machines are being read.
    Syncing,
    /// There is no Secret of the name that the template gives. Create it.
    CredentialsNotFound,
    /// The Secret lacks a key, or has one that is not text. Correct it.
    CredentialsInvalid,
    /// The controller may not read the Secret. Grant it get, list and watch.
    CredentialsUnreadable,
    /// The Secret leads to another vCenter than the one that holds the machines.
    VCenterChanged,
    /// The template itself says how many machines there shall be.
    TestMode,
    /// The node pool says how many machines there shall be.
    NodePoolFound,
    /// It is paused: nothing is scaled.
    NodePoolPaused,
    /// Node pools are being read. Wait.
    NodePoolSyncing,
    /// The hub does not have node pools. Install HyperShift, or use test mode.
    NodePoolKindMissing,
    /// The node pool cannot be read. Let the controller get, list and watch it.
    NodePoolUnreadable,
    /// The node pool is not for Agents. Take another.
    NodePoolPlatform,
    /// There is no such node pool. Create it, or correct `nodePoolRef`.
    NodePoolNotFound,
    /// The node pool is gone. Delete the template, too, or create the node pool anew.
    NodePoolDeleted,
    /// The node pool is gone, and was not seen being deleted: its machines are kept for a while. Create it anew,
    /// or see `ScaleDownHeld`.
    NodePoolVanished,
    /// The node pool is being deleted. Wait.
    NodePoolDeleting,
    /// An older template makes the machines of the same node pool: delete one of the two. Of
    /// `AdoptionRequired`: machines bear the mark of a template that is no more. Adopt them.
    Conflict,
    /// Nobody can be heard who says how many machines there shall be. See `NodePoolFound`.
    NodePoolNotHeard,
    /// The template is being deleted, and asks for nothing.
    TemplateDeleting,
    /// More than half of the machines would go at once. Permit it, or raise the number again.
    ScaleDownHeld,
    /// No change of the number is held.
    NothingHeld,
    /// Nothing was looked up yet. See `VSphereConnected` and `SpecValid`.
    NotChecked,
    /// Every name in the spec stands for something that can be used.
    ResourcesValidated,
    /// The room was not measured yet. See `VSphereConnected` and `SpecValid`.
    CapacityNotRead,
    /// There is room for all machines that are missing.
    SufficientResources,
    /// There is room for some of the machines that are missing, not for all.
    InsufficientResources,
    /// There is room for none of the machines that are missing.
    NoCapacity,
    /// No limit is set.
    NoQuotaConfigured,
    /// Fewer machines are asked for than the limits permit.
    WithinQuota,
    /// As many machines are asked for as `softMaxVms`.
    ApproachingQuota,
    /// More machines are asked for than `maxVms`; the surplus is not made.
    MaxVmsReached,
    /// The ISO is where the spec says.
    ISOReady,
    /// There are as many machines as there shall be, none of them failed.
    VMsReconciled,
    /// Machines are being made. Wait.
    Reconciling,
    /// No machine is to go, or all that were are gone.
    NothingToRemove,
    /// Machines are being removed. Wait.
    Removing,
    /// Machines that are not wanted any more are workers of a cluster, and stay until it gives them back. Scale
    /// their `NodePool` down, or delete their Machines.
    WorkersBound,
    /// Agents cannot be looked at, so that nobody can tell which machines are in use. The message says why.
    AgentsNotSeen,
    /// All machines are of the present spec.
    UpToDate,
    /// Machines are of an earlier spec, and left as they are.
    Drifted,
    /// Machines bear the mark of this template, but are copies of others.
    MarkCopied,
    /// The companion has made machines for this template: nothing is made or removed until they are adopted.
    CompanionVMs,
    /// No machine waits for its adoption.
    NoCompanionVMs,
    /// The machines were given up to the companion; nothing is made or removed.
    Released,
    /// Nothing is done because machines wait for their adoption. See the condition `AdoptionRequired`.
    AdoptionRequired,
    /// Each machine got on within its deadlines, or has time left.
    Healthy,
    /// Machines that did not get on are being replaced. Wait.
    Replacing,
    /// Machines are not nodes in time, and a cluster has them: replacing them is Cluster API's.
    InstallationOverdue,
    /// Machine after machine was replaced, and none got on. Find out why, then close the circuit.
    CircuitOpen,
    /// vCenter cannot be looked at; what was seen last stays. See `VSphereConnected`.
    NotSeen,
    /// An annotation says that nothing is to be done.
    Paused,
    /// All machines are there and on.
    AllReady,
    /// Not all are. See `VMsCreated`, `VMsRemoved` and `vmStatus`.
    NotAllReady,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_reason_is_its_name() {
        assert_eq!(Reason::ISOReady.word(), "ISOReady");
        for reason in Reason::ALL {
            assert_eq!(reason.word(), format!("{reason:?}"));
        }
    }
}
