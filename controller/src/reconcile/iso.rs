//! What is to be asked of the driver for the ISO of a template, by what the hub says now.

use super::{Work, memory::Memory};
use crate::{
    driver::{Driver, IsoWanted},
    iso::{self, Lack, Request, asked_with},
    link::SecretRef,
};
use kube::runtime::reflector::ObjectRef;

/// What is to be asked for now. Where the hub cannot be looked at, that is what was asked for before.
pub(super) fn wanted<D: Driver>(work: &Work<'_, D>, memory: &Memory) -> Result<IsoWanted, Lack> {
    let wish = &work.wish.iso;
    let image = work.ctx.hub.image(&work.wish);
    let wanted = request(work).and_then(|request| iso::wanted(wish, image, request));
    match wanted {
        Err(lack) if lack.is_of_sight() => memory.asked_before(wish).ok_or(lack),
        wanted => wanted,
    }
}

/// What the source is to be asked with.
fn request<D: Driver>(work: &Work<'_, D>) -> Result<Request, Lack> {
    let (requests, owner) = (&work.ctx.requests, &work.wish.owner);
    let Some(name) = &work.wish.iso.secret else {
        requests.release(&owner.uid);
        return Ok(Request::default());
    };
    let secret = SecretRef {
        namespace: owner.namespace.clone(),
        name: name.clone(),
    };
    let user = ObjectRef::from_obj(&**work.template);
    asked_with(name, requests.of(&secret, &owner.uid, user))
}
