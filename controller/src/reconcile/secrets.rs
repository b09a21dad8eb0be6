//! Keeps the Secret of a template, and lets it go.

use super::{
    Work,
    attempts::Work as Task,
    memory::Memory,
    plan::{Hold, Plan},
};
use crate::{
    crd::VMwareNodePoolTemplateStatus,
    driver::{Driver, Fault, Kind, Retry},
    leaving::secret,
    link::{Connection, SecretRef, Sight},
    wish::Ending,
};
use std::collections::BTreeSet;

/// Keeps the Secret from now on, before the first machine is asked for.
pub(super) async fn keep<D: Driver>(work: &Work<'_, D>, sight: &Sight, memory: &mut Memory) {
    let now = (work.ctx.now)();
    if !secret::is_to_be_kept(&work.wish, sight.guard) {
        memory.attempts.succeeded(Task::Keep);
        return;
    }
    if memory.attempts.due(Task::Keep, None, now).is_now() {
        let kept = secret::keep(&work.ctx.client, &work.wish.secret).await;
        let fault = kept.err().map(fault);
        memory.attempts.note(Task::Keep, fault, now);
    }
}

/// Lets the Secret go that the template named before.
pub(super) async fn let_former_go<D: Driver>(
    work: &Work<'_, D>,
    sight: &Sight,
    plan: &Plan,
    (status, memory): (&VMwareNodePoolTemplateStatus, &mut Memory),
) {
    let now = (work.ctx.now)();
    let settled = sight.connection == Connection::Live && plan.hold != Some(Hold::OtherVcenter);
    let former = secret::former(&work.wish, &status.secret_in_use, settled)
        .filter(|former| memory.let_go.as_deref() != Some(*former));
    let Some(former) = former else {
        memory.attempts.succeeded(Task::LetGo);
        return;
    };
    if !memory.attempts.due(Task::LetGo, None, now).is_now() {
        return;
    }
    match let_go(work, former).await {
        Ok(()) => memory.let_go = Some(former.to_owned()),
        Err(error) => memory.attempts.note(Task::LetGo, Some(fault(error)), now),
    }
}

/// Lets go of every Secret that is kept for the template, which goes itself.
pub(super) async fn let_all_go<D: Driver>(
    work: &Work<'_, D>,
    status: &VMwareNodePoolTemplateStatus,
) -> Result<(), Fault> {
    let kept = [
        status.secret_in_use.as_str(),
        work.wish.secret.name.as_str(),
    ];
    let kept = BTreeSet::from(kept).into_iter();
    for name in kept.filter(|name| !name.is_empty()) {
        match let_go(work, name).await {
            Ok(()) => {}
            // Who abandons a template wants it gone.
            Err(error) if work.wish.ending == Ending::Abandon => drop(fault(error)),
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(())
}

async fn let_go<D: Driver>(work: &Work<'_, D>, name: &str) -> Result<(), secret::Error> {
    let secret = SecretRef {
        namespace: work.wish.secret.namespace.clone(),
        name: name.to_owned(),
    };
    secret::let_go(&work.ctx.client, &secret, &work.wish.owner.uid).await
}

/// The error as a fault, which is logged.
fn fault(error: secret::Error) -> Fault {
    let problem = format!("{:#}", anyhow::Error::new(error));
    tracing::warn!(problem, "The finalizer of the Secret could not be changed");
    Fault {
        word: "SecretNotKept",
        message: format!("{problem}. Let the controller get and patch the Secret"),
        retry: Retry::Backoff,
        after: None,
        kind: Kind::Other,
    }
}
