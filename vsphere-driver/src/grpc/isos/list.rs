//! `ListIsos`: pages of what is wanted.

use crate::{
    core::Core,
    grpc::{convert::page, named},
    iso::{digest::Digest, view, wishes::IsoId},
    vcenter::state::State,
};
use contract::v1::{Fault, Iso, ListIsosRequest, ListIsosResponse};

/// A page by key.
pub(super) fn list(core: &Core, request: ListIsosRequest) -> Result<ListIsosResponse, Fault> {
    let ListIsosRequest {
        vcenter,
        hub_id,
        page_size,
        page_token,
    } = request;
    let vcenter = named(core, vcenter)?;
    let size = page::size(page_size)?;
    let filter = Digest::of(hub_id.as_bytes()).to_string();
    let after = page::after(&page_token, &filter)?;
    let (isos, last) = vcenter.read(|state| page_of(state, &hub_id, after, size));
    let next_page_token = last.map(|last| page::token(&filter, &last));
    Ok(ListIsosResponse {
        isos,
        next_page_token: next_page_token.unwrap_or_default(),
    })
}

/// The ISOs of a page, and the key of the last where more follow.
fn page_of(state: &State, hub_id: &str, after: &str, size: usize) -> (Vec<Iso>, Option<String>) {
    let mounts = view::mounts(state);
    let is_of = |id: &&IsoId| hub_id.is_empty() || id.hub_id == hub_id;
    let ids = state.isos.ids().filter(is_of);
    let mut keyed: Vec<_> = ids.map(|id| (id.to_string(), id)).collect();
    keyed.sort();
    let mut rest = keyed.into_iter().filter(|(key, _)| key.as_str() > after);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let last = page.last().map(|(key, _)| key.clone());
    let more = rest.next().is_some();
    let isos = page
        .iter()
        .filter_map(|(_, id)| view::iso(state, id, &mounts));
    (isos.collect(), last.filter(|_| more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::Owner;

    #[test]
    fn a_list_is_told_page_by_page_each_iso_of_the_hub_once() {
        let mut state = State::default();
        for (hub, owner) in [("b", "2"), ("a", "1"), ("b", "1"), ("b", "3")] {
            let id = IsoId {
                hub_id: hub.into(),
                owner_uid: owner.into(),
                id: String::new(),
            };
            state.isos.want_there(&id, Owner::default(), Iso::default());
        }
        let owners = |isos: &[Iso]| -> Vec<_> {
            let keys = isos.iter().filter_map(|iso| iso.key.clone());
            keys.map(|key| key.owner_uid).collect()
        };
        let (first, last) = page_of(&state, "b", "", 2);
        assert_eq!(owners(&first), ["1", "2"]);
        let (second, last) = page_of(&state, "b", &last.expect("more follow"), 2);
        assert_eq!((owners(&second), last), (vec!["3".to_owned()], None));
        assert_eq!(page_of(&state, "", "", 9).0.len(), 4);
    }
}
