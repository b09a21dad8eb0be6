//! Messages about ISOs into checked values.

use crate::{
    edge::caller::Caller,
    inventory::{
        Kind,
        resolve::{Scope, resolve},
    },
    iso::{
        self,
        name::Label,
        path::DatastorePath,
        source::{Policy, Source},
        wishes::{FromUrl, IsoId},
    },
    soap::MoRef,
    vcenter::VCenter,
};
use contract::{
    identity::{MANUAL_HUB, is_id},
    v1::{Fault, IsoKey, Owner, Reason, UrlSource},
};
use std::collections::BTreeSet;

/// Datastores of one ISO.
const MAX_DATASTORES: usize = 64;
/// Longest revision that is taken, in characters.
const MAX_REVISION: usize = 128;

/// The key of a request; its hub may be left out.
pub(super) fn id(key: Option<IsoKey>) -> Result<IsoId, Fault> {
    let mut key = key.ok_or_else(|| Fault::invalid("key", "is missing"))?;
    if key.hub_id.is_empty() {
        key.hub_id = MANUAL_HUB.into();
    }
    if !is_id(&key.owner_uid) {
        let problem = "is missing or has no such form";
        return Err(Fault::invalid("key.owner_uid", problem));
    }
    id_part(&key.id, "key.id")?;
    Ok(key.into())
}

/// The key of an ISO that an owner wants.
pub(super) fn id_of(
    owner: &Owner,
    id: String,
    caller: &Caller,
    field: &str,
) -> Result<IsoId, Fault> {
    id_part(&id, field)?;
    Ok(IsoId {
        hub_id: caller.hub_id.clone(),
        owner_uid: owner.uid.clone(),
        id,
    })
}

/// What tells several ISOs of one owner apart.
fn id_part(id: &str, field: &str) -> Result<(), Fault> {
    if id.is_empty() || is_id(id) {
        return Ok(());
    }
    let problem = "must be at most 63 characters of `A-Za-z0-9._-`";
    Err(Fault::invalid(field, problem))
}

/// What the names of files begin with.
pub(super) fn label(text: &str, field: &str) -> Result<Label, Fault> {
    Label::parse(text).map_err(|problem| Fault::invalid(field, problem))
}

/// A path on a datastore.
pub(super) fn path(text: &str, field: &str) -> Result<DatastorePath, Fault> {
    DatastorePath::parse(text).map_err(|problem| {
        Fault::new(Reason::InvalidDatastorePath, format!("`{field}` {problem}")).at(field)
    })
}

/// The datacenter of a request, if it names one.
pub(super) fn datacenter(vcenter: &VCenter, asked: &str) -> Result<Option<MoRef>, Fault> {
    if asked.is_empty() {
        return Ok(None);
    }
    let found =
        vcenter.read(|state| resolve(&state.inventory, Kind::Datacenter, asked, Scope::default()));
    found.map(Some).map_err(|_| {
        let what = format!("`datacenter`: no datacenter `{asked}` is in sight");
        Fault::new(Reason::PlacementNotFound, what)
            .at("datacenter")
            .with("asked", asked)
    })
}

/// The datastores of a request, each once.
pub(super) fn datastores(
    vcenter: &VCenter,
    asked: &[String],
    datacenter: Option<&MoRef>,
    least: usize,
) -> Result<Vec<MoRef>, Fault> {
    if asked.len() < least {
        return Err(Fault::invalid("datastores", "is empty: name at least one"));
    }
    if asked.len() > MAX_DATASTORES {
        let what = "`datastores` has more than 64 entries";
        let fault = Fault::new(Reason::LimitExceeded, what).at("datastores");
        return Err(fault.with("limit", MAX_DATASTORES));
    }
    let mut seen = BTreeSet::new();
    vcenter.read(|state| {
        let found = asked.iter().enumerate().map(|(index, name)| {
            let field = format!("datastores[{index}]");
            iso::named_datastore(&state.inventory, name, datacenter, &field)
        });
        let found: Vec<_> = found.collect::<Result<_, _>>()?;
        Ok(found
            .into_iter()
            .filter(|moref| seen.insert(moref.clone()))
            .collect())
    })
}

/// A content at a URL, wanted on these datastores.
pub(super) fn from_url(
    message: UrlSource,
    label: Label,
    datastores: Vec<MoRef>,
    policy: &Policy,
) -> Result<FromUrl, Fault> {
    let revision = message.revision.clone();
    if revision.chars().count() > MAX_REVISION {
        let problem = "must be at most 128 characters";
        return Err(Fault::invalid("source.url.revision", problem));
    }
    let source = Source::of(message, policy)?;
    Ok(FromUrl {
        image: source.key(),
        source,
        revision,
        label,
        datastores,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_leave_out_its_hub_and_nothing_else() {
        let key = |owner_uid: &str, id: &str| IsoKey {
            owner_uid: owner_uid.into(),
            id: id.into(),
            ..IsoKey::default()
        };
        let known = id(Some(key("demo", ""))).expect("good");
        assert_eq!(known.to_string(), "manual/demo/");
        for (key, field) in [
            (None, "key"),
            (Some(key("", "")), "key.owner_uid"),
            (Some(key("demo", "a b")), "key.id"),
        ] {
            assert_eq!(id(key).map_err(|fault| fault.field), Err(field.to_owned()));
        }
    }
}
