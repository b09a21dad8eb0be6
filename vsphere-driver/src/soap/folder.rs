//! Folders of the inventory.

use super::{Client, Error, Method, MoRef, Request};

/// The request of [`Client::create_folder`].
pub fn create_folder(parent: &MoRef, name: &str) -> Request {
    Request::new(Method::CreateFolder, parent).with(|w| {
        w.leaf("name", name);
    })
}

// === impl Client ===

impl Client {
    /// Creates a folder of the same type in `parent`.
    ///
    /// # Errors
    /// See [`Error`]; `DuplicateName` if there is something of that name.
    pub async fn create_folder(&self, parent: &MoRef, name: &str) -> Result<MoRef, Error> {
        self.object(create_folder(parent, name)).await
    }
}
