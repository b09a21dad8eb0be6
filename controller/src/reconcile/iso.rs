//! What is to be asked of the driver for the ISO of a template, with what its Secret says.

use super::{Work, memory::Memory};
use crate::{
    driver::{Driver, IsoWanted},
    iso::{self, Lack, Request, request},
    reason::Reason,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use std::time::Duration;

/// Before a Secret that could not be used is read again.
const AGAIN: Duration = Duration::from_secs(10);

/// What a Secret with headers and the like has said, and how long that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    name: String,
    request: Result<Request, Lack>,
    until: Timestamp,
}

/// What is to be asked for now.
pub(super) async fn wanted<D: Driver>(
    work: &Work<'_, D>,
    memory: &mut Memory,
) -> Result<IsoWanted, Lack> {
    let image = work.ctx.hub.image(&work.wish);
    let request = if let Some(name) = &work.wish.iso.secret {
        told(work, name, memory).await?
    } else {
        memory.request = None;
        Request::default()
    };
    iso::wanted(&work.wish.iso, image, request)
}

/// What the Secret says, read anew where that is due.
async fn told<D: Driver>(
    work: &Work<'_, D>,
    name: &str,
    memory: &mut Memory,
) -> Result<Request, Lack> {
    let now = (work.ctx.now)();
    let known = memory.request.as_ref();
    if let Some(told) = known.filter(|told| told.name == name && now < told.until) {
        return told.request.clone();
    }
    let request = read(work, name).await;
    let believed = match request {
        Ok(_) => work.wish.interval,
        Err(_) => AGAIN,
    };
    memory.request = Some(Told {
        name: name.to_owned(),
        request: request.clone(),
        until: now.checked_add(believed).unwrap_or(Timestamp::MAX),
    });
    request
}

async fn read<D: Driver>(work: &Work<'_, D>, name: &str) -> Result<Request, Lack> {
    let secrets = Api::<Secret>::namespaced(work.ctx.client.clone(), &work.wish.owner.namespace);
    let lack = |reason, message: String| Lack { reason, message };
    match secrets.get_opt(name).await {
        Ok(Some(secret)) => request(&secret).map_err(|invalid| {
            let message = format!("In the Secret `{name}`, {invalid}. Correct it.");
            lack(Reason::RequestSecretInvalid, message)
        }),
        Ok(None) => {
            let message = format!("There is no Secret `{name}` in the namespace. Create it.");
            Err(lack(Reason::RequestSecretNotFound, message))
        }
        Err(error) => {
            let problem = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(problem, secret = name, "The Secret could not be read");
            let message = format!(
                "The Secret `{name}` cannot be read: {problem}. Let the controller get Secrets."
            );
            Err(lack(Reason::RequestSecretUnreadable, message))
        }
    }
}

// === impl Told ===

impl Told {
    /// When it is read again.
    pub(super) fn until(&self) -> Timestamp {
        self.until
    }
}
