//! What the update loop watches with: made in a session, and given up in it.

use crate::{
    inventory::properties::{TYPES, watched},
    soap::{
        Error, MoRef,
        property_collector::{FilterSpec, PropertySpec},
        task::PATHS,
    },
    vcenter::{VCenter, session::Current},
    vim::Vim,
};
use std::sync::{Arc, Mutex, PoisonError};

/// What the loop watches with.
#[derive(Clone, Debug)]
pub(super) struct Watching {
    pub(super) collector: MoRef,
    /// Tasks that the list view began with.
    pub(super) listed: Vec<MoRef>,
    pub(super) tasks_view: MoRef,
    pub(super) tasks_filter: MoRef,
}

/// Collectors and views that were made, each with the number of its session. They end with it; where
/// the loop begins anew in the same one, the old ones are given up.
#[derive(Clone, Debug, Default)]
pub(super) struct Made(Arc<Mutex<Vec<(u64, MoRef)>>>);

/// Makes it, beginning with these tasks.
pub(super) async fn build(
    vim: &Vim,
    now: &Current,
    tasks: &[MoRef],
    made: &Made,
) -> Result<Watching, Error> {
    let content = &now.content;
    let note = |object: MoRef| made.note(now.number, object);
    let collector = vim
        .create_property_collector(&content.property_collector)
        .await
        .map(note)?;
    let root = &content.root_folder;
    let view = vim
        .create_container_view(&content.view_manager, root, &TYPES)
        .await
        .map(note)?;
    vim.create_filter(&collector, &FilterSpec::of_view(&view, watched()))
        .await?;
    let tasks_view = vim
        .create_list_view(&content.view_manager, tasks)
        .await
        .map(note)?;
    let of_tasks = [PropertySpec::new("Task", PATHS)];
    let spec = FilterSpec::of_view(&tasks_view, of_tasks);
    let tasks_filter = vim.create_filter(&collector, &spec).await?;
    let listed = tasks.to_vec();
    Ok(Watching {
        collector,
        listed,
        tasks_view,
        tasks_filter,
    })
}

/// Gives up what earlier turns of the loop have made in this session: nobody reads it any more.
pub(super) async fn give_up(vcenter: Arc<VCenter>, objects: Vec<(u64, MoRef)>, session: u64) {
    for (_, object) in objects.iter().filter(|(number, _)| *number == session) {
        let given_up = vcenter.session.run("", |vim, now| async move {
            match &*object.kind {
                // It went with its session.
                _ if now.number != session => Ok(()),
                "PropertyCollector" => vim.destroy_property_collector(object).await,
                _ => vim.destroy_view(object).await,
            }
        });
        if let Err(failure) = given_up.await {
            let fault = vcenter.explain(&failure, "giving up what was watched with before");
            tracing::debug!(vcenter = vcenter.name, %object, error = fault.message, "Left behind");
        }
    }
}

// === impl Made ===

impl Made {
    /// Notes an object, and gives it.
    fn note(&self, session: u64, object: MoRef) -> MoRef {
        self.put_back(vec![(session, object.clone())]);
        object
    }

    pub(super) fn take(&self) -> Vec<(u64, MoRef)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn put_back(&self, objects: Vec<(u64, MoRef)>) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.extend(objects);
    }
}
