//! Folders and files on datastores, as vCenter's file manager changes them.
//!
//! Files are named by datastore paths, `[datastore] folder/file`, which hold within one datacenter.

use super::{Client, Error, Method, MoRef, Request};

/// The request of [`Client::make_directory`].
pub fn make_directory(file_manager: &MoRef, path: &str, datacenter: &MoRef) -> Request {
    Request::new(Method::MakeDirectory, file_manager).with(|w| {
        w.leaf("name", path)
            .mo("datacenter", datacenter)
            .leaf("createParentDirectories", true);
    })
}

/// The request of [`Client::move_file`].
pub fn move_file(file_manager: &MoRef, (from, to): (&str, &str), datacenter: &MoRef) -> Request {
    Request::new(Method::MoveDatastoreFile, file_manager).with(|w| {
        w.leaf("sourceName", from)
            .mo("sourceDatacenter", datacenter)
            .leaf("destinationName", to)
            .mo("destinationDatacenter", datacenter)
            .leaf("force", false);
    })
}

/// The request of [`Client::delete_file`].
pub fn delete_file(file_manager: &MoRef, path: &str, datacenter: &MoRef) -> Request {
    Request::new(Method::DeleteDatastoreFile, file_manager).with(|w| {
        w.leaf("name", path).mo("datacenter", datacenter);
    })
}

// === impl Client ===

impl Client {
    /// Makes a folder and those that it lies in, `[datastore] folder`.
    ///
    /// # Errors
    /// See [`Error`]; `FileAlreadyExists` if it is there, which not every datastore says.
    pub async fn make_directory(
        &self,
        file_manager: &MoRef,
        path: &str,
        datacenter: &MoRef,
    ) -> Result<(), Error> {
        let request = make_directory(file_manager, path, datacenter);
        self.call(request).await.map(drop)
    }

    /// Begins to move a file. Gives the task, which fails with `FileAlreadyExists` where there is one of
    /// the new name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn move_file(
        &self,
        file_manager: &MoRef,
        from: &str,
        to: &str,
        datacenter: &MoRef,
    ) -> Result<MoRef, Error> {
        self.object(move_file(file_manager, (from, to), datacenter))
            .await
    }

    /// Begins to delete a file, or a folder with all that is in it. Gives the task, which fails with
    /// `FileNotFound` where there is none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_file(
        &self,
        file_manager: &MoRef,
        path: &str,
        datacenter: &MoRef,
    ) -> Result<MoRef, Error> {
        self.object(delete_file(file_manager, path, datacenter))
            .await
    }
}
