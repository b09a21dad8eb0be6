//! ISOs as the driver has them.

use super::Fault;
use crate::hidden::Hidden;
use std::collections::BTreeMap;

/// An ISO to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsoWanted {
    /// Where it comes from.
    pub source: IsoSource,
    /// Datacenter of the datastores.
    pub datacenter: String,
    /// Datastores to have it on. None where the source lies on one.
    pub datastores: Vec<String>,
    /// Begins the name of the file. Empty: the driver's own word.
    pub label: String,
}

/// Where an ISO comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsoSource {
    /// It lies there: `[datastore] folder/file.iso`.
    Path(String),
    /// The driver fetches it.
    Url(Box<UrlSource>),
}

/// A URL, and what is needed to fetch it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlSource {
    /// The URL, which is a credential.
    pub url: Hidden,
    /// Authorities to trust for it, PEM. Empty: those of the driver's system.
    pub ca_bundle: String,
    /// Those of the driver's system are trusted beside them.
    pub system_authorities: bool,
    /// Headers to send.
    pub headers: BTreeMap<String, Hidden>,
    /// Proxy to go through.
    pub proxy: Option<Proxy>,
    /// SHA-256 that the content must have, in hexadecimal digits. Empty: any.
    pub sha256: String,
    /// Another one when the content behind the same URL is another.
    pub revision: String,
}

/// A proxy of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Its address.
    pub url: String,
    /// Who uses it. Empty: nobody in particular.
    pub username: String,
    /// What that one proves it by.
    pub password: Hidden,
}

/// An ISO that is wanted, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iso {
    /// Its source for people, without anything that is secret.
    pub source: String,
    /// How far it is.
    pub stand: IsoStand,
    /// The [`UrlSource::revision`] of what lies on the datastores.
    pub source_revision: String,
    /// Grows with each change, within one run of the driver.
    pub revision: i64,
}

/// What a message of a watch of ISOs says. They are named by the UIDs of their owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsoEvent {
    /// All that follows, up to the end, is everything there is.
    SnapshotBegin {
        /// Changes with each start of the driver.
        run_id: String,
    },
    /// ISOs that are new or changed, and those that nobody wants any more.
    Changes {
        /// Their present state.
        changed: Vec<(String, Iso)>,
        /// The revisions with which they went.
        removed: Vec<(String, i64)>,
    },
    /// What was not told since the beginning of the snapshot is not wanted.
    SnapshotEnd,
    /// Nothing that changes anything, or newer than this program.
    Unknown,
}

/// How far an ISO is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsoStand {
    /// Whole, at this path.
    Ready(String),
    /// On its way.
    Coming(Progress),
    /// This is in the way. The driver goes on by itself where that may help.
    Failed(Fault),
}

/// How far an ISO on its way is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: IsoStep,
    /// Bytes that are there.
    pub transferred: i64,
    /// Bytes that there will be; 0: not known.
    pub size: i64,
}

/// What is being done for an ISO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsoStep {
    /// Its source or its turn is awaited.
    #[default]
    Waiting,
    /// It is being fetched.
    Transferring,
    /// It is compared with what was announced, and moved into place.
    Verifying,
}

// === impl Progress ===

impl Progress {
    /// How much of it is there, in percent, if that is known.
    pub fn percent(self) -> Option<i64> {
        let known = self.step == IsoStep::Transferring && self.size > 0;
        let part = i128::from(self.transferred.max(0)) * 100 / i128::from(self.size.max(1));
        known.then(|| i64::try_from(part.min(100)).unwrap_or(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_part_of_what_there_will_be() {
        for (step, transferred, size, percent) in [
            (IsoStep::Transferring, 420, 1000, Some(42)),
            (IsoStep::Transferring, 999, 1000, Some(99)),
            (IsoStep::Transferring, 2000, 1000, Some(100)),
            (IsoStep::Transferring, i64::MAX, i64::MAX, Some(100)),
            (IsoStep::Transferring, -1, 1000, Some(0)),
            (IsoStep::Transferring, 420, 0, None),
            (IsoStep::Waiting, 0, 1000, None),
            (IsoStep::Verifying, 1000, 1000, None),
        ] {
            let progress = Progress {
                step,
                transferred,
                size,
            };
            assert_eq!(progress.percent(), percent, "{progress:?}");
        }
    }

    #[test]
    fn neither_a_url_nor_a_header_nor_a_password_is_printed() {
        let source = UrlSource {
            url: "https://images/canary".into(),
            headers: [("Authorization".to_owned(), "canary".into())].into(),
            proxy: Some(Proxy {
                password: "canary".into(),
                ..Proxy::default()
            }),
            ..UrlSource::default()
        };
        assert!(!format!("{source:?}").contains("canary"));
    }
}
