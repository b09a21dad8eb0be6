//! Conditions of the way to vCenter. Pure.

use super::{Holds, Verdict, by_fault, verdict};
use crate::{
    credentials::InvalidSecret,
    link::Connection,
    reason::Reason,
    reconcile::{
        attempts::Work,
        plan::{Hold, Plan, Seen},
    },
};

pub(super) fn driver_connected(seen: &Seen<'_>) -> Verdict {
    let type_ = "DriverConnected";
    match &seen.sight.connection {
        Connection::DriverFault(fault) => by_fault(type_, Holds::False, fault),
        Connection::Starting => verdict(
            type_,
            Holds::Unknown,
            Reason::Connecting,
            "The driver has not answered yet. Wait.",
        ),
        Connection::NoSecret
        | Connection::SecretRefused(_)
        | Connection::BadSecret(InvalidSecret::Missing(_) | InvalidSecret::NotText(_)) => verdict(
            type_,
            Holds::Unknown,
            Reason::NotAsked,
            "The driver is asked once the Secret is there. See VSphereConnected.",
        ),
        Connection::BadSecret(InvalidSecret::Unusable { .. })
        | Connection::VcenterDown(_)
        | Connection::Syncing
        | Connection::Live => verdict(type_, Holds::True, Reason::Connected, ""),
    }
}

pub(super) fn vsphere_connected(seen: &Seen<'_>, plan: &Plan) -> Verdict {
    let type_ = "VSphereConnected";
    let secret = &seen.wish.secret;
    let server = seen
        .sight
        .vcenter
        .as_ref()
        .map(|vcenter| &vcenter.instance_uuid);
    let unknown = |reason, message: &str| verdict(type_, Holds::Unknown, reason, message);
    match &seen.sight.connection {
        _ if plan.hold == Some(Hold::OtherVcenter) => {
            let recorded = seen
                .status
                .vcenter_instance_uuid
                .as_deref()
                .unwrap_or_default();
            let now = server.map_or("", String::as_str);
            let message = format!(
                "The machines are in the vCenter {recorded}, and Secret {secret} leads to {now}. \
                 Nothing is made or removed. Name a Secret of the former, or remove the machines \
                 there first."
            );
            verdict(type_, Holds::False, Reason::VCenterChanged, message)
        }
        Connection::Live => connected(seen),
        Connection::Syncing => unknown(Reason::Syncing, "The machines are being read. Wait."),
        Connection::VcenterDown(Some(fault)) => by_fault(type_, Holds::False, fault),
        Connection::VcenterDown(None) | Connection::Starting => {
            unknown(Reason::Connecting, "The login is under way. Wait.")
        }
        Connection::DriverFault(fault) => by_fault(type_, Holds::Unknown, fault),
        Connection::NoSecret => {
            let message = format!(
                "There is no Secret {secret}. Create it with server, username and password; \
                 machines stay as they are until then."
            );
            verdict(type_, Holds::False, Reason::CredentialsNotFound, message)
        }
        Connection::SecretRefused(problem) => {
            let message = format!(
                "Secret {secret} cannot be read: {problem}. Let the controller get, list and \
                 watch it."
            );
            verdict(
                type_,
                Holds::Unknown,
                Reason::CredentialsUnreadable,
                message,
            )
        }
        Connection::BadSecret(invalid) => {
            let message = format!("{secret}: {invalid}.");
            verdict(type_, Holds::False, Reason::CredentialsInvalid, message)
        }
    }
}

/// It is connected, and the Secret that it is connected by may be in danger.
fn connected(seen: &Seen<'_>) -> Verdict {
    let unkept = seen.attempts.fault(Work::Keep).map(|fault| {
        let secret = &seen.wish.secret;
        format!(
            "The Secret {secret} can go while it is needed: {}.",
            fault.message
        )
    });
    let message = unkept.unwrap_or_default();
    verdict("VSphereConnected", Holds::True, Reason::Connected, message)
}
