//! The discovery ISO of a template: what the template asks for, what is asked of the driver, and what is
//! known of it. Pure.

mod download;
mod host;
mod secret;
mod wish;

pub use download::{Download, download};
pub use secret::{InvalidRequest, Request, asked_with, request};
pub use wish::{IsoWish, Origin};

use crate::{
    driver::{Fault, Iso, IsoSource, IsoStand, IsoStep, IsoWanted, Progress, Proxy, UrlSource},
    reason::Reason,
};

/// What the hub lacks for an ISO to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Why, as it stands in a condition.
    pub reason: Reason,
    /// What is missing, and what to do about it.
    pub message: String,
}

/// What is known of the ISO of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsoSight {
    /// Whole.
    Ready {
        /// The path that machines boot.
        path: String,
        /// Where it was fetched from, for people. Empty: it lay there.
        source: String,
    },
    /// On its way; who is to boot it waits.
    Coming {
        /// How far it is.
        progress: Progress,
        /// Where it is fetched from, for people.
        source: String,
    },
    /// It cannot be asked for.
    Lacking(Lack),
    /// The driver has not got it.
    Failed(Fault),
}

/// What is to be asked of the driver, by what the hub says: of the InfraEnv, where one is named, and of the
/// Secret with what a request needs.
pub fn wanted(
    wish: &IsoWish,
    image: Option<Result<Download, Lack>>,
    request: Request,
) -> Result<IsoWanted, Lack> {
    let download = match (&wish.origin, image) {
        (Origin::Path(path), _) => {
            return Ok(IsoWanted {
                source: IsoSource::Path(path.clone()),
                datacenter: wish.datacenter.clone(),
                datastores: Vec::new(),
                label: String::new(),
            });
        }
        (Origin::Url(url), _) => Download {
            url: url.clone(),
            revision: String::new(),
            authorities: String::new(),
        },
        (Origin::InfraEnv { .. }, Some(image)) => image?,
        (Origin::InfraEnv { .. }, None) => return Err(Lack::syncing()),
    };
    request.permits(&download.url, wish.proxy.as_deref())?;
    Ok(IsoWanted {
        source: IsoSource::Url(Box::new(source(wish, download, request))),
        datacenter: wish.datacenter.clone(),
        datastores: vec![wish.datastore.clone()],
        label: wish.label.clone(),
    })
}

/// What is fetched, and how. What the template says goes before what the Secret says.
fn source(wish: &IsoWish, download: Download, request: Request) -> UrlSource {
    let Download {
        url,
        revision,
        authorities,
    } = download;
    let Request {
        hosts: _,
        headers,
        username,
        password,
        ca_bundle,
    } = request;
    let proxy = |url: &String| Proxy {
        url: url.clone(),
        username,
        password,
    };
    // What nobody has asked for is believed beside the rest only: a route may have a certificate of its own.
    let given = wish.ca_bundle.clone().unwrap_or(ca_bundle);
    let system_authorities = given.is_empty() && !authorities.is_empty();
    let ca_bundle = if system_authorities {
        authorities
    } else {
        given
    };
    UrlSource {
        url,
        ca_bundle,
        system_authorities,
        headers,
        proxy: wish.proxy.as_ref().map(proxy),
        sha256: wish.sha256.clone(),
        revision,
    }
}

/// What is known of an ISO that is said to be so.
pub fn sight(wanted: &IsoWanted, iso: Iso) -> IsoSight {
    let Iso {
        source,
        stand,
        source_revision,
        revision: _,
    } = iso;
    let source = if wanted.is_fetched() {
        source
    } else {
        String::new()
    };
    match stand {
        // What lies there is of an earlier content, whatever else is said of it.
        IsoStand::Ready(_) if wanted.revision() != source_revision => IsoSight::Coming {
            progress: Progress::default(),
            source,
        },
        IsoStand::Ready(path) => IsoSight::Ready { path, source },
        IsoStand::Coming(progress) => IsoSight::Coming { progress, source },
        IsoStand::Failed(fault) => IsoSight::Failed(fault),
    }
}

/// Whether what was whole `before` is believed to be so still, though a driver that was started anew and asked for the
/// same says this: it has not looked for its files yet. Anything else that it says is news.
pub fn still_holds(before: &IsoSight, told: &IsoSight) -> bool {
    let IsoSight::Coming { progress, .. } = told else {
        return false;
    };
    let is_unlooked = progress.step == IsoStep::Waiting && progress.transferred == 0;
    is_unlooked && before.path().is_some()
}

// === impl Lack ===

impl Lack {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// Whether it is not known what there is: what cannot be read may be there all the same.
    pub fn is_of_sight(&self) -> bool {
        matches!(
            self.reason,
            Reason::InfraEnvSyncing
                | Reason::InfraEnvKindMissing
                | Reason::InfraEnvUnreadable
                | Reason::IngressCASyncing
                | Reason::RequestSecretSyncing
                | Reason::RequestSecretUnreadable
        )
    }

    /// Nobody knows yet whom to trust as the image service.
    pub(crate) fn awaits_authorities() -> Self {
        let message = "The authorities of the hub's routes are being read. Wait.";
        Self::new(Reason::IngressCASyncing, message)
    }

    fn syncing() -> Self {
        Self::new(Reason::InfraEnvSyncing, "InfraEnvs are being read. Wait.")
    }
}

// === impl IsoSight ===

impl IsoSight {
    /// The path that machines boot, once it is whole.
    pub fn path(&self) -> Option<&String> {
        match self {
            Self::Ready { path, .. } => Some(path),
            Self::Coming { .. } | Self::Lacking(_) | Self::Failed(_) => None,
        }
    }

    /// What the driver says is in the way.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Failed(fault) => Some(fault),
            Self::Ready { .. } | Self::Coming { .. } | Self::Lacking(_) => None,
        }
    }
}

// === impl IsoWanted ===

impl IsoWanted {
    /// It does not lie on a datastore, but is brought there.
    pub fn is_fetched(&self) -> bool {
        matches!(self.source, IsoSource::Url(_))
    }

    /// The revision of its content, as far as this side knows one.
    fn revision(&self) -> &str {
        match &self.source {
            IsoSource::Path(_) => "",
            IsoSource::Url(source) => &source.revision,
        }
    }
}

#[cfg(test)]
mod tests;
