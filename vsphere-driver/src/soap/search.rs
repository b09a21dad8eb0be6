//! Finds objects by what is unique about them.

use super::{Client, Error, Method, MoRef, Request};

/// Which UUID of a machine is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UuidKind {
    /// That of the SMBIOS, which the guest sees.
    Bios,
    /// That which vCenter knows the machine by.
    Instance,
}

/// The request of [`Client::find_child`].
pub fn find_child(search_index: &MoRef, parent: &MoRef, name: &str) -> Request {
    Request::new(Method::FindChild, search_index).with(|w| {
        w.mo("entity", parent).leaf("name", name);
    })
}

/// The request of [`Client::find_vms`].
pub fn find_vms(
    search_index: &MoRef,
    datacenter: Option<&MoRef>,
    uuid: &str,
    kind: UuidKind,
) -> Request {
    Request::new(Method::FindAllByUuid, search_index).with(|w| {
        w.mos("datacenter", datacenter)
            .leaf("uuid", uuid)
            .leaf("vmSearch", true)
            .leaf("instanceUuid", kind == UuidKind::Instance);
    })
}

// === impl Client ===

impl Client {
    /// The object of this name right below `parent`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find_child(
        &self,
        search_index: &MoRef,
        parent: &MoRef,
        name: &str,
    ) -> Result<Option<MoRef>, Error> {
        let response = self.call(find_child(search_index, parent, name)).await?;
        Ok(response.moref_at("returnval"))
    }

    /// All machines of this UUID, in one datacenter or in all.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find_vms(
        &self,
        search_index: &MoRef,
        datacenter: Option<&MoRef>,
        uuid: &str,
        kind: UuidKind,
    ) -> Result<Vec<MoRef>, Error> {
        let request = find_vms(search_index, datacenter, uuid, kind);
        Ok(self.call(request).await?.morefs().collect())
    }
}
