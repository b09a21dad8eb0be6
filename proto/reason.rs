//! The table of reasons: one list for the errors of calls, faults, conditions, metrics and docs.
//!
//! `build.rs` makes it from the comments in `reasons.proto`.

use crate::v1::{Reason, RetryClass};
use tonic::Code;

/// What is known of one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The reason.
    pub reason: Reason,
    /// Its name in `ErrorInfo.reason` and in metrics: `VCENTER_UNKNOWN`.
    pub name: &'static str,
    /// Its name as the reason of a Kubernetes condition: `VCenterUnknown`.
    pub word: &'static str,
    /// The gRPC code of a call that fails for it.
    pub code: Code,
    /// What a caller does about it.
    pub retry: RetryClass,
    /// The vSphere fault types that become this reason.
    pub faults: &'static [&'static str],
    /// The keys that its metadata may have.
    pub metadata: &'static [&'static str],
    /// What a person does about it.
    pub advice: &'static str,
}

/// All reasons, by number.
pub const TABLE: &[Row] = &include!(concat!(env!("OUT_DIR"), "/reason_table.rs"));

/// What stands in for `REASON_UNSPECIFIED`, which is never sent.
const UNSPECIFIED: Row = Row {
    reason: Reason::Unspecified,
    name: "UNSPECIFIED",
    word: "Unspecified",
    code: Code::Unknown,
    retry: RetryClass::Backoff,
    faults: &[],
    metadata: &[],
    advice: "See the message.",
};

/// The reason that lists this vSphere fault type, if one does.
pub fn of_vsphere_fault(fault: &str) -> Option<Reason> {
    TABLE
        .iter()
        .find(|row| row.faults.contains(&fault))
        .map(|row| row.reason)
}

/// The reason of this name (`VCENTER_UNKNOWN`), if this side knows it.
pub fn of_name(name: &str) -> Option<Reason> {
    TABLE
        .iter()
        .find(|row| row.name == name)
        .map(|row| row.reason)
}

// === impl Reason ===

impl Reason {
    /// What is known of it.
    pub fn row(self) -> &'static Row {
        let found = TABLE.binary_search_by_key(&(self as i32), |row| row.reason as i32);
        found.map_or(&UNSPECIFIED, |index| &TABLE[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_what_its_comment_says() {
        let row = Reason::VcenterBadCredentials.row();
        assert_eq!(
            *row,
            Row {
                reason: Reason::VcenterBadCredentials,
                name: "VCENTER_BAD_CREDENTIALS",
                word: "VCenterBadCredentials",
                code: Code::FailedPrecondition,
                retry: RetryClass::Slow,
                faults: &["InvalidLogin", "InvalidLocale", "PasswordExpired"],
                metadata: &["server", "username", "attempts_left"],
                advice: "Correct the credential; repeated attempts lock the account.",
            }
        );
    }

    #[test]
    fn condition_words_keep_the_usual_capitals() {
        for (reason, word) in [
            (Reason::VcenterTlsUntrusted, "VCenterTLSUntrusted"),
            (Reason::IsoSourceExpired, "ISOSourceExpired"),
            (Reason::VmNotFound, "VMNotFound"),
            (Reason::DrsNotAttempted, "DRSNotAttempted"),
            (Reason::NotEnoughCpus, "NotEnoughCPUs"),
        ] {
            assert_eq!(reason.row().word, word);
        }
    }

    #[test]
    fn each_vsphere_fault_stands_under_one_reason() {
        let mut faults: Vec<_> = TABLE.iter().flat_map(|row| row.faults).collect();
        let all = faults.len();
        faults.sort_unstable();
        faults.dedup();
        assert_eq!(faults.len(), all);
        assert_eq!(
            of_vsphere_fault("NoPermission"),
            Some(Reason::VcenterPermissionDenied)
        );
        assert_eq!(of_vsphere_fault("NoSuchFault"), None);
    }

    #[test]
    fn each_reason_is_found_by_its_number_and_its_name() {
        for row in TABLE {
            assert_eq!(row.reason.row(), row);
            assert_eq!(of_name(row.name), Some(row.reason));
        }
    }
}
