//! Folders at the top of datastores on which these are objects of the storage: vSAN and virtual volumes.

use super::{Client, Error, Method, MoRef, Request, xml::InvalidXml};

/// The request of [`Client::create_namespace`].
pub fn create_namespace(namespace_manager: &MoRef, datastore: &MoRef, name: &str) -> Request {
    Request::new(Method::CreateDirectory, namespace_manager).with(|w| {
        w.mo("datastore", datastore).leaf("displayName", name);
    })
}

// === impl Client ===

impl Client {
    /// Makes a folder at the top of a datastore and gives its path, which ends with the name that it
    /// really has: a UUID.
    ///
    /// # Errors
    /// See [`Error`]; `FileAlreadyExists` if one is shown under this name.
    pub async fn create_namespace(
        &self,
        namespace_manager: &MoRef,
        datastore: &MoRef,
        name: &str,
    ) -> Result<String, Error> {
        let request = create_namespace(namespace_manager, datastore, name);
        self.call_with(request, |cursor, start| {
            let response = cursor.element(start)?;
            let path = response.str("returnval").map(str::to_owned);
            path.ok_or(InvalidXml::Missing("returnval"))
        })
        .await
    }
}
