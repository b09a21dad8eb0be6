//! What it means that the file service did not do what it was asked.

use crate::{
    soap::{Error, client::files::WriteError},
    vcenter::explain,
};
use contract::v1::{Fault, InventoryObject, Reason};

/// What was to be done, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// `writing …`
    pub(super) doing: &'a str,
    /// `host:port` of vCenter.
    pub(super) server: &'a str,
    /// The datastore.
    pub(super) datastore: &'a InventoryObject,
    /// The folder.
    pub(super) folder: &'a str,
}

// === impl Attempt ===

impl Attempt<'_> {
    /// The fault for a file that was not written.
    pub(super) fn unwritten(&self, error: &WriteError) -> Fault {
        let doing = self.doing;
        match error {
            WriteError::Call(error) => self.refused(error),
            // Whose content it is knows more of it.
            WriteError::Content(cause) => Fault::new(
                Reason::IsoTruncated,
                format!("{doing}: the content broke off ({cause})"),
            ),
            WriteError::Length { length, sent } => {
                let what = format!("{doing}: {length} bytes were announced, and {sent} came");
                Fault::new(Reason::IsoTruncated, what)
                    .with("size_bytes", length)
                    .with("transferred_bytes", sent)
            }
            WriteError::Stalled { sent } => {
                self.unreachable(&format!("does nothing more after {sent} bytes"))
            }
        }
    }

    /// The fault for a call of the file service that was not answered well.
    pub(super) fn refused(&self, error: &Error) -> Fault {
        let Self {
            doing,
            server,
            datastore,
            folder,
        } = *self;
        match error {
            Error::Unreachable { .. } | Error::Lost { .. } => {
                self.unreachable(&format!("gives no answer ({})", explain::cause(error)))
            }
            Error::Busy { status: 507, .. } => {
                let what = format!("{doing}: the datastore has no room left");
                Fault::new(Reason::DatastoreFull, what).with("datastore", &datastore.path)
            }
            Error::Busy {
                status,
                retry_after,
                ..
            } => {
                let fault = self.unreachable(&format!("answers HTTP {status}"));
                retry_after.map_or(fault.clone(), |wait| fault.after(wait))
            }
            Error::Refused { status: 403, .. } => {
                let what = format!("{doing}: the account may not change files there");
                Fault::new(Reason::VcenterPermissionDenied, what)
                    .with("privilege", "Datastore.FileManagement")
                    .with("object", &datastore.moref)
                    .with("path", &datastore.path)
            }
            Error::Refused { status: 404, .. } => {
                let what = format!("{doing}: the folder is not there");
                Fault::new(Reason::DatastoreFolderFailed, what)
                    .with("datastore", &datastore.path)
                    .with("folder", folder)
            }
            Error::Fault(_)
            | Error::Untrusted(_)
            | Error::Refused { .. }
            | Error::BadReply { .. } => explain::of_error(error, doing, server),
        }
    }

    fn unreachable(&self, problem: &str) -> Fault {
        let Self {
            doing,
            server,
            datastore,
            ..
        } = self;
        let what = format!("{doing}: the file service of vCenter {server} {problem}");
        Fault::new(Reason::DatastoreTransferUnreachable, what)
            .with("datastore", &datastore.path)
            .with("host", server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const METHOD: &str = "PUT /folder";

    fn answered(status: u16) -> Error {
        if status == 429 || status >= 500 {
            let retry_after = (status == 503).then_some(Duration::from_secs(7));
            return Error::Busy {
                method: METHOD,
                status,
                retry_after,
            };
        }
        Error::Refused {
            method: METHOD,
            status,
        }
    }

    fn told(error: &WriteError) -> Fault {
        let datastore = InventoryObject {
            moref: "datastore-10".into(),
            path: "/DC0/datastore/ds".into(),
            ..InventoryObject::default()
        };
        let attempt = Attempt {
            doing: "writing `[ds] isos/a.iso`",
            server: "vc:443",
            datastore: &datastore,
            folder: "isos",
        };
        attempt.unwritten(error)
    }

    #[test]
    fn each_answer_of_the_file_service_has_its_reason() {
        for (status, reason) in [
            (302, Reason::VcenterBadReply),
            (403, Reason::VcenterPermissionDenied),
            (404, Reason::DatastoreFolderFailed),
            (411, Reason::VcenterBadReply),
            (429, Reason::DatastoreTransferUnreachable),
            (500, Reason::DatastoreTransferUnreachable),
            (503, Reason::DatastoreTransferUnreachable),
            (507, Reason::DatastoreFull),
        ] {
            assert_eq!(told(&answered(status).into()).reason(), reason, "{status}");
        }
        let busy = told(&answered(503).into());
        assert_eq!(busy.wait(), Some(Duration::from_secs(7)));
        assert_eq!(busy.metadata["host"], "vc:443");
    }

    #[test]
    fn a_file_that_was_not_taken_whole_is_told_with_its_figures() {
        let short = told(&WriteError::Length {
            length: 10,
            sent: 4,
        });
        assert_eq!(short.reason(), Reason::IsoTruncated);
        let figures = ["size_bytes", "transferred_bytes"].map(|key| &*short.metadata[key]);
        assert_eq!(figures, ["10", "4"]);
        for error in [
            WriteError::Stalled { sent: 4 },
            Error::Lost {
                method: METHOD,
                source: "reset".into(),
            }
            .into(),
        ] {
            assert_eq!(told(&error).reason(), Reason::DatastoreTransferUnreachable);
        }
    }
}
