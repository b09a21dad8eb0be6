//! `DeleteIso`: a wish is withdrawn, or a file of ours removed.

use super::{IsosService, convert};
use crate::{
    audit::{self, Outcome},
    edge::caller::Caller,
    grpc::{convert as common, named},
    iso::{
        self,
        destination::Destination,
        garbage,
        path::DatastorePath,
        removal::{Cause, Removal},
        sweep::{self, Ask},
        uses, view,
        wishes::IsoId,
    },
    soap::MoRef,
    vcenter::{VCenter, clock},
};
use contract::v1::{
    DeleteIsoRequest, DeleteIsoResponse, Fault, IsoFile, IsoOrigin, IsoState, Reason, Verb,
    delete_iso_request::Ref,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::timeout};

/// Withdraws a wish, or removes a file.
pub(super) async fn delete(
    service: &IsosService,
    caller: &Caller,
    message: DeleteIsoRequest,
) -> Result<DeleteIsoResponse, Fault> {
    let DeleteIsoRequest {
        caller: _,
        vcenter,
        r#ref,
        datacenter,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let wait = common::wait(wait)?;
    let files = match r#ref {
        None => return Err(Fault::invalid("ref", "is missing: set `key` or `path`")),
        Some(Ref::Key(mut key)) => {
            if key.hub_id.is_empty() {
                key.hub_id.clone_from(&caller.hub_id);
            }
            let id = convert::id(Some(key))?;
            if id.hub_id != caller.hub_id {
                let problem = "must be an ISO of the caller's hub";
                return Err(Fault::invalid("key.hub_id", problem));
            }
            withdraw(service, (vcenter.as_ref(), caller), &id, validate_only)
        }
        Some(Ref::Path(text)) => {
            let path = convert::path(&text, "path")?;
            let by_path = ByPath {
                service,
                vcenter: &vcenter,
                caller,
                path: &path,
            };
            let how = (wait, validate_only);
            vec![by_path.run(&datacenter, how).await?]
        }
    };
    let is_going = |file: &IsoFile| file.state() == IsoState::Deleting;
    Ok(DeleteIsoResponse {
        done: !files.iter().any(is_going),
        files,
        operation_id: caller.operation_id.clone(),
    })
}

/// The files of the wish, as they are without it.
fn withdraw(
    service: &IsosService,
    (vcenter, caller): (&VCenter, &Caller),
    id: &IsoId,
    validate_only: bool,
) -> Vec<IsoFile> {
    let before = vcenter.read(|state| view::iso(state, id, &view::mounts(state)));
    let Some(before) = before else {
        return Vec::new();
    };
    if !validate_only {
        vcenter.write(|state| state.isos.withdraw(id));
        note(vcenter, caller, &id.to_string(), Outcome::Done);
    }
    let grace = service.store.settings.grace;
    let files = before.files.into_iter();
    files.map(|file| without(file, id, grace)).collect()
}

/// A file that one less wants.
fn without(mut file: IsoFile, id: &IsoId, grace: Duration) -> IsoFile {
    let key = id.key();
    file.wanted_by.retain(|other| *other != key);
    file.wanted_by_count = file.wanted_by_count.saturating_sub(1).max(0);
    let is_used = file.wanted_by_count + file.mounted_by_count > 0;
    let is_fetched = file.origin() == IsoOrigin::Url && file.state() == IsoState::Ready;
    if is_fetched && !is_used {
        file.garbage_at = Some(garbage::goes_at(clock::now(), grace));
    }
    file
}

/// A file that is to be removed now.
struct ByPath<'a> {
    service: &'a IsosService,
    vcenter: &'a Arc<VCenter>,
    caller: &'a Caller,
    path: &'a DatastorePath,
}

impl ByPath<'_> {
    async fn run(
        &self,
        datacenter: &str,
        (wait, validate_only): (Duration, bool),
    ) -> Result<IsoFile, Fault> {
        let Self {
            service,
            vcenter,
            path,
            ..
        } = self;
        let IsosService { core, store } = service;
        vcenter.connected().await.map_err(|fault| *fault)?;
        let datacenter = convert::datacenter(vcenter, datacenter)?;
        let datastore = vcenter
            .read(|state| iso::datastore(&state.inventory, path, datacenter.as_ref(), "path"))?;
        let place = Destination::of(vcenter, &datastore, &store.settings.folder)?;
        sweep::look(core, store, (vcenter, &datastore), Ask::Always).await?;
        let name = path.file();
        let is_in_folder = place.path(name) == path.to_string();
        let folder = vcenter.read(|state| state.isos.folders.get(&datastore).cloned());
        let folder = folder.filter(|_| is_in_folder).unwrap_or_default();
        let Some(known) = folder.files.get(name) else {
            if is_in_folder && !folder.has(name) {
                return Ok(self.gone(&datastore));
            }
            return self.not_ours(&datastore).await;
        };
        let mut file = vcenter.read(|state| {
            let which = (path.to_string(), name, known);
            view::found(state, (&datastore, &folder), which, store.settings.grace)
        });
        let needs = uses::of(core, vcenter, &place, (name, known), &folder.drives);
        if let Some(fault) = needs.refusal(&file.path) {
            return Err(fault);
        }
        if validate_only {
            file.verbs = vec![Verb::Delete.into()];
            return Ok(file);
        }
        // It goes on when the reply is not held for as long.
        let state = match timeout(wait, self.begin(place)).await {
            Ok(Ok(removed)) => removed.map(|()| IsoState::Gone)?,
            Ok(Err(_)) => {
                let what = format!("whether `{path}` was removed is not known");
                return Err(Fault::new(Reason::OutcomeUnknown, what));
            }
            Err(_) => IsoState::Deleting,
        };
        file.state = state.into();
        file.garbage_at = None;
        Ok(file)
    }

    /// Begins the removal. Its end is told.
    fn begin(&self, place: Destination) -> oneshot::Receiver<Result<(), Fault>> {
        let (end, ended) = oneshot::channel();
        let IsosService { core, store } = self.service.clone();
        let (vcenter, caller) = (Arc::clone(self.vcenter), self.caller.clone());
        let (path, name) = (self.path.to_string(), self.path.file().to_owned());
        self.vcenter.spawn(async move {
            let removal = Removal {
                core: &core,
                store: &store,
                vcenter: &vcenter,
                place: &place,
                cause: Cause::Asked,
                op: &caller.operation_id,
            };
            let removed = removal.run(&[name]).await;
            let removed = removed.and_then(|all| all.into_iter().collect());
            let outcome = removed
                .as_ref()
                .err()
                .map_or(Outcome::Done, Outcome::Failed);
            note(&vcenter, &caller, &path, outcome);
            // Nobody may wait for it any more.
            let _ = end.send(removed);
        });
        ended
    }

    fn gone(&self, datastore: &MoRef) -> IsoFile {
        let datastore = self
            .vcenter
            .read(|state| state.inventory.describe(datastore));
        IsoFile {
            datastore: Some(datastore),
            path: self.path.to_string(),
            state: IsoState::Gone.into(),
            ..IsoFile::default()
        }
    }

    /// A file that is not there is removed; one without our record stays.
    async fn not_ours(&self, datastore: &MoRef) -> Result<IsoFile, Fault> {
        let op = &self.caller.operation_id;
        match iso::look(self.vcenter, self.path, datastore, op).await {
            Err(fault) if fault.reason() == Reason::IsoMissing => Ok(self.gone(datastore)),
            Err(fault) => Err(fault),
            Ok(_) => {
                let path = self.path;
                let what = format!("`{path}` has no record of this driver beside it");
                Err(Fault::new(Reason::IsoNotOurs, what).with("path", path))
            }
        }
    }
}

fn note(vcenter: &VCenter, caller: &Caller, identity: &str, outcome: Outcome<'_>) {
    let change = audit::Change {
        caller,
        owner: "",
        identity,
        verb: Verb::Delete,
        vcenter: &vcenter.name,
        operation_id: &caller.operation_id,
    };
    audit::change(&change, outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_else_needs_says_when_it_goes() {
        let id = |owner: &str| IsoId {
            hub_id: "hub".into(),
            owner_uid: owner.into(),
            id: String::new(),
        };
        let of = |origin: IsoOrigin, wanted: i32, mounted: i32| IsoFile {
            origin: origin.into(),
            state: IsoState::Ready.into(),
            wanted_by: vec![id("a").key()],
            wanted_by_count: wanted,
            mounted_by_count: mounted,
            ..IsoFile::default()
        };
        for (file, goes) in [
            (of(IsoOrigin::Url, 1, 0), true),
            (of(IsoOrigin::Url, 2, 0), false),
            (of(IsoOrigin::Url, 1, 1), false),
            (of(IsoOrigin::Upload, 1, 0), false),
        ] {
            let left = without(file.clone(), &id("a"), Duration::from_secs(1));
            assert_eq!(left.garbage_at.is_some(), goes, "{file:?}");
            assert!(left.wanted_by.is_empty());
        }
    }
}
