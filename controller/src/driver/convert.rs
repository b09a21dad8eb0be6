//! Between wire messages and this crate's own types.

mod capacity;
mod faults;
mod isos;
mod replies;
mod requests;

pub(super) use capacity::capacity;
pub use capacity::needs;
pub(super) use faults::{of_connect, of_iso};
pub(super) use isos::{iso, iso_withdrawal};
pub use requests::spec_hash;
pub(super) use requests::{caller, connect, filter};

#[cfg(test)]
mod tests {
    use super::{of_connect, of_iso};
    use crate::driver::{
        ExtraConfig, Fault, Kind, Login, LoginPart, Machine, MachineSpec, Ownership, Placement,
        Retry, Tombstone, Trust,
    };
    use contract::v1 as pb;
    use std::time::Duration;
    use tonic::{Code, Status};
    use tonic_types::{ErrorDetails, StatusExt as _};

    #[test]
    fn a_fault_of_the_driver_keeps_its_word_and_class() {
        let fault = pb::Fault::new(pb::Reason::VcenterUnknown, "no vCenter `x`")
            .after(Duration::from_secs(2));
        let fault = Fault::from(fault.into_status("op"));
        assert_eq!(
            (fault.word, fault.retry, fault.kind, fault.after),
            (
                "VCenterUnknown",
                Retry::Recover,
                Kind::VcenterUnknown,
                Some(Duration::from_secs(2))
            )
        );
    }

    #[test]
    fn a_connect_tells_which_part_of_the_login_cannot_be_used() {
        for (field, part) in [
            ("server", LoginPart::Server),
            ("user_password.username", LoginPart::Username),
            ("user_password.password", LoginPart::Password),
            ("trust.ca_bundle_pem", LoginPart::CaBundle),
            ("trust.sha256_thumbprint", LoginPart::Thumbprint),
        ] {
            let told = pb::Fault::invalid(field, "cannot be used: it is wrong");
            let fault = of_connect(told.into_status("op"));
            assert_eq!(
                (fault.kind, fault.message.as_str()),
                (Kind::BadLogin(part), "cannot be used: it is wrong")
            );
        }
        // What the driver itself lacks is no matter of the login.
        let told = pb::Fault::invalid("trust", "cannot be used: the system has no authorities");
        let fault = of_connect(told.into_status("op"));
        assert_eq!((fault.kind, fault.word), (Kind::Other, "InvalidField"));
    }

    #[test]
    fn an_iso_is_refused_by_the_fields_of_a_template() {
        for (field, told) in [
            ("source.url.url", "`agentISO.url` is wrong"),
            ("source.datastore_path", "`agentISO.datastorePath` is wrong"),
            (
                "source.url.ca_bundle_pem",
                "`agentISO.caBundle`, or `ca.crt` of its request Secret, is wrong",
            ),
        ] {
            let fault = of_iso(pb::Fault::invalid(field, "is wrong").into_status("op"));
            assert_eq!(fault.word, "InvalidField");
            assert!(fault.message.starts_with(told), "{}", fault.message);
        }
    }

    #[test]
    fn a_status_that_no_driver_made_means_that_it_is_not_reached() {
        for (status, word) in [
            (Status::unavailable("refused"), "DriverUnreachable"),
            (Status::deadline_exceeded("late"), "DriverUnreachable"),
            (Status::unimplemented("what?"), "FeatureUnsupported"),
        ] {
            assert_eq!(Fault::from(status).word, word);
        }
    }

    #[test]
    fn whoever_stands_before_the_driver_may_ask_for_time_as_well() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(7)));
        let status = Status::with_error_details(Code::ResourceExhausted, "full", details);
        let fault = Fault::from(status);
        assert_eq!(
            (fault.kind, fault.after),
            (Kind::Unreachable, Some(Duration::from_secs(7)))
        );
    }

    #[test]
    fn a_machine_that_is_not_made_yet_is_ours_by_its_key() {
        let key = pb::VirtualMachineKey {
            slot: 1,
            ..pb::VirtualMachineKey::default()
        };
        let creating = pb::VirtualMachine {
            key: Some(key),
            state: pb::VirtualMachineState::Creating.into(),
            ..pb::VirtualMachine::default()
        };
        assert_eq!(Machine::from(creating).ownership, Ownership::Ours);
        let nobodys = pb::VirtualMachine::default();
        assert_eq!(Machine::from(nobodys).ownership, Ownership::Foreign);
    }

    #[test]
    fn why_an_iso_was_not_taken_out_is_told_of_its_machine() {
        let failed = |verb: pb::Verb| pb::VirtualMachine {
            operation: Some(pb::Operation {
                verb: verb.into(),
                state: pb::OperationState::Failed.into(),
                fault: Some(pb::Fault::new(pb::Reason::IsoLockedByGuest, "held")),
                ..pb::Operation::default()
            }),
            ..pb::VirtualMachine::default()
        };
        let told = |verb| Machine::from(failed(verb)).ejection.map(|fault| fault.word);
        assert_eq!(told(pb::Verb::EjectIso), Some("ISOLockedByGuest"));
        assert_eq!(told(pb::Verb::PowerOn), None);
    }

    #[test]
    fn the_folder_is_the_one_to_be_made_else_the_one_that_is_there() {
        let object = pb::InventoryObject {
            path: "/DC0/vm".into(),
            ..pb::InventoryObject::default()
        };
        let resolution = pb::Resolution {
            field: "spec.placement.folder".into(),
            object: Some(object),
            ..pb::Resolution::default()
        };
        let mut report = pb::PlacementReport {
            resolutions: vec![resolution],
            ..pb::PlacementReport::default()
        };
        assert_eq!(Placement::from(report.clone()).folder, "/DC0/vm");
        report.folders_to_create = vec!["/DC0/vm/a".into(), "/DC0/vm/a/b".into()];
        assert_eq!(Placement::from(report).folder, "/DC0/vm/a/b");
    }

    #[test]
    fn only_a_proof_makes_a_tombstone_one() {
        let mut tombstone = pb::VirtualMachineTombstone {
            cause: pb::RemovalCause::Gone.into(),
            ..pb::VirtualMachineTombstone::default()
        };
        assert!(!Tombstone::from(tombstone.clone()).gone);
        tombstone.absence = Some(pb::Absence::default());
        assert!(Tombstone::from(tombstone).gone);
    }

    #[test]
    fn neither_a_password_nor_a_setting_is_printed() {
        let login = Login {
            server: "vc".into(),
            username: "u".into(),
            password: "canary".into(),
            trust: Trust::System,
        };
        let settings = [("key".to_owned(), "canary".to_owned())];
        let spec = MachineSpec {
            extra_config: ExtraConfig(settings.into()),
            ..MachineSpec::default()
        };
        assert!(!format!("{login:?} {spec:?}").contains("canary"));
    }
}
