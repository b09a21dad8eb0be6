//! The port to a vCenter: the operations of its API that the driver uses, however they are carried.
//!
//! [`soap::Client`](Client) carries them as SOAP. The values they take and give are those of
//! [`soap`](crate::soap), which follow the types of the API.

use crate::{
    secret::Secret,
    soap::{
        Client, Error, MoRef, Server, ServiceContent, Trust,
        authorization::EntityPrivileges,
        client::files::{Content, RemoteFile, WriteError},
        config_spec::ConfigSpec,
        property_collector::{FilterSpec, ObjectContent, UpdateSet, WaitOptions},
        reconfigure::Reconfiguration,
        search::UuidKind,
        session::UserSession,
        trust::{InvalidTrust, SeenCertificate},
    },
};
use std::{fmt, sync::Arc};

/// A vCenter, in one session at most; clones share it.
pub type Vim = Arc<dyn VimApi>;

/// Makes the way to a server that is trusted so. Nothing is sent yet.
pub type Connect = Arc<dyn Fn(&Server, &Trust) -> Result<Vim, InvalidTrust> + Send + Sync>;

/// What the driver asks of a vCenter.
///
/// # Guarantees
/// A call that is [certainly not run](Error::certainly_not_run) changed nothing; of any other failure
/// nobody knows. No call is repeated here, and none logs in.
#[async_trait::async_trait]
pub trait VimApi: fmt::Debug + Send + Sync {
    /// The same session; vCenter writes this id to its logs for each call.
    fn operation(&self, id: &str) -> Vim;

    /// Where it goes.
    fn server(&self) -> &Server;

    /// The certificate that the server showed last.
    fn seen_certificate(&self) -> Option<SeenCertificate>;

    /// What the server is. Needs no session.
    async fn service_content(&self) -> Result<ServiceContent, Error>;

    /// Logs in; `InvalidLogin` is the fault of a wrong credential.
    async fn login(
        &self,
        content: &ServiceContent,
        user: &str,
        password: &Secret,
    ) -> Result<UserSession, Error>;

    /// Ends the session.
    async fn logout(&self, content: &ServiceContent) -> Result<(), Error>;

    /// Makes a collector of one's own. Ends with the session.
    async fn create_property_collector(&self, property_collector: &MoRef) -> Result<MoRef, Error>;

    /// Gives a collector up, with its filters.
    async fn destroy_property_collector(&self, collector: &MoRef) -> Result<(), Error>;

    /// Has a collector watch what `spec` selects.
    async fn create_filter(&self, collector: &MoRef, spec: &FilterSpec) -> Result<MoRef, Error>;

    /// What changed since `version`, all there is if that is empty; `None` if nothing did for as long
    /// as the options say.
    async fn wait_for_updates(
        &self,
        collector: &MoRef,
        version: &str,
        options: WaitOptions,
    ) -> Result<Option<UpdateSet>, Error>;

    /// Reads what the specs select, once, in pages of `max_objects`.
    async fn retrieve(
        &self,
        collector: &MoRef,
        specs: &[FilterSpec],
        max_objects: Option<u32>,
    ) -> Result<Vec<ObjectContent>, Error>;

    /// Makes a view of all objects of these types below `container`, and of those that come later.
    async fn create_container_view(
        &self,
        view_manager: &MoRef,
        container: &MoRef,
        kinds: &[&str],
    ) -> Result<MoRef, Error>;

    /// Makes a view of these objects.
    async fn create_list_view(
        &self,
        view_manager: &MoRef,
        objects: &[MoRef],
    ) -> Result<MoRef, Error>;

    /// Puts objects into a list view and takes others out. Gives those that no longer exist.
    async fn modify_list_view(
        &self,
        view: &MoRef,
        add: &[MoRef],
        remove: &[MoRef],
    ) -> Result<Vec<MoRef>, Error>;

    /// Gives a view up.
    async fn destroy_view(&self, view: &MoRef) -> Result<(), Error>;

    /// Which of these privileges the session lacks on each of these objects.
    async fn has_privileges(
        &self,
        authorization_manager: &MoRef,
        session_key: &str,
        entities: &[MoRef],
        privileges: &[&str],
    ) -> Result<Vec<EntityPrivileges>, Error>;

    /// The object of this name right below `parent`.
    async fn find_child(
        &self,
        search_index: &MoRef,
        parent: &MoRef,
        name: &str,
    ) -> Result<Option<MoRef>, Error>;

    /// All machines of this UUID, in one datacenter or in all.
    async fn find_vms(
        &self,
        search_index: &MoRef,
        datacenter: Option<&MoRef>,
        uuid: &str,
        kind: UuidKind,
    ) -> Result<Vec<MoRef>, Error>;

    /// Creates a folder; `DuplicateName` if there is something of that name.
    async fn create_folder(&self, parent: &MoRef, name: &str) -> Result<MoRef, Error>;

    /// Begins to look for files in one folder of a datastore. Gives the task.
    async fn search_datastore(
        &self,
        browser: &MoRef,
        folder: &str,
        pattern: &str,
    ) -> Result<MoRef, Error>;

    /// Makes a folder on a datastore, with those that it lies in; `FileAlreadyExists` if it is there.
    async fn make_directory(
        &self,
        file_manager: &MoRef,
        path: &str,
        datacenter: &MoRef,
    ) -> Result<(), Error>;

    /// Makes a folder at the top of a datastore where those are objects. Gives its path, which ends with
    /// its real name.
    async fn create_namespace(
        &self,
        namespace_manager: &MoRef,
        datastore: &MoRef,
        name: &str,
    ) -> Result<String, Error>;

    /// Begins to move a file, never over another. Gives the task.
    async fn move_file(
        &self,
        file_manager: &MoRef,
        from: &str,
        to: &str,
        datacenter: &MoRef,
    ) -> Result<MoRef, Error>;

    /// Begins to delete a file. Gives the task.
    async fn delete_file(
        &self,
        file_manager: &MoRef,
        path: &str,
        datacenter: &MoRef,
    ) -> Result<MoRef, Error>;

    /// Writes a file of so many bytes, in place of one that is there.
    async fn write_file(
        &self,
        file: &RemoteFile,
        length: u64,
        content: Content,
    ) -> Result<(), WriteError>;

    /// Reads a file of at most so many bytes. Nothing: there is none.
    async fn read_file(&self, file: &RemoteFile, at_most: usize) -> Result<Option<Vec<u8>>, Error>;

    /// Begins to create a machine. Gives the task.
    async fn create_vm(
        &self,
        folder: &MoRef,
        config: &ConfigSpec,
        pool: &MoRef,
        host: Option<&MoRef>,
    ) -> Result<MoRef, Error>;

    /// Begins to power machines of one datacenter on. Gives the task, whose success says nothing of a
    /// single machine.
    async fn power_on(&self, datacenter: &MoRef, vms: &[MoRef]) -> Result<MoRef, Error>;

    /// Begins to power a machine off, hard. Gives the task.
    async fn power_off(&self, vm: &MoRef) -> Result<MoRef, Error>;

    /// Begins to destroy an object and all that is in it. Gives the task.
    async fn destroy(&self, object: &MoRef) -> Result<MoRef, Error>;

    /// Begins to change a machine where it stands. Gives the task.
    async fn reconfigure(&self, vm: &MoRef, change: &Reconfiguration) -> Result<MoRef, Error>;

    /// Answers the question that a machine waits for.
    async fn answer(&self, vm: &MoRef, question: &str, choice: &str) -> Result<(), Error>;
}

// Each method of the client has the name of its operation: what is called here is that one.
#[async_trait::async_trait]
impl VimApi for Client {
    fn operation(&self, id: &str) -> Vim {
        Arc::new(self.operation(id))
    }

    fn server(&self) -> &Server {
        self.server()
    }

    fn seen_certificate(&self) -> Option<SeenCertificate> {
        self.seen_certificate()
    }

    async fn service_content(&self) -> Result<ServiceContent, Error> {
        self.service_content().await
    }

    async fn login(
        &self,
        content: &ServiceContent,
        user: &str,
        password: &Secret,
    ) -> Result<UserSession, Error> {
        self.login(content, user, password).await
    }

    async fn logout(&self, content: &ServiceContent) -> Result<(), Error> {
        self.logout(content).await
    }

    async fn create_property_collector(&self, property_collector: &MoRef) -> Result<MoRef, Error> {
        self.create_property_collector(property_collector).await
    }

    async fn destroy_property_collector(&self, collector: &MoRef) -> Result<(), Error> {
        self.destroy_property_collector(collector).await
    }

    async fn create_filter(&self, collector: &MoRef, spec: &FilterSpec) -> Result<MoRef, Error> {
        self.create_filter(collector, spec).await
    }

    async fn wait_for_updates(
        &self,
        collector: &MoRef,
        version: &str,
        options: WaitOptions,
    ) -> Result<Option<UpdateSet>, Error> {
        self.wait_for_updates(collector, version, options).await
    }

    async fn retrieve(
        &self,
        collector: &MoRef,
        specs: &[FilterSpec],
        max_objects: Option<u32>,
    ) -> Result<Vec<ObjectContent>, Error> {
        self.retrieve(collector, specs, max_objects).await
    }

    async fn create_container_view(
        &self,
        view_manager: &MoRef,
        container: &MoRef,
        kinds: &[&str],
    ) -> Result<MoRef, Error> {
        self.create_container_view(view_manager, container, kinds)
            .await
    }

    async fn create_list_view(
        &self,
        view_manager: &MoRef,
        objects: &[MoRef],
    ) -> Result<MoRef, Error> {
        self.create_list_view(view_manager, objects).await
    }

    async fn modify_list_view(
        &self,
        view: &MoRef,
        add: &[MoRef],
        remove: &[MoRef],
    ) -> Result<Vec<MoRef>, Error> {
        self.modify_list_view(view, add, remove).await
    }

    async fn destroy_view(&self, view: &MoRef) -> Result<(), Error> {
        self.destroy_view(view).await
    }

    async fn has_privileges(
        &self,
        authorization_manager: &MoRef,
        session_key: &str,
        entities: &[MoRef],
        privileges: &[&str],
    ) -> Result<Vec<EntityPrivileges>, Error> {
        self.has_privileges(authorization_manager, session_key, entities, privileges)
            .await
    }

    async fn find_child(
        &self,
        search_index: &MoRef,
        parent: &MoRef,
        name: &str,
    ) -> Result<Option<MoRef>, Error> {
        self.find_child(search_index, parent, name).await
    }

    async fn find_vms(
        &self,
        search_index: &MoRef,
        datacenter: Option<&MoRef>,
        uuid: &str,
        kind: UuidKind,
    ) -> Result<Vec<MoRef>, Error> {
        self.find_vms(search_index, datacenter, uuid, kind).await
    }

    async fn create_folder(&self, parent: &MoRef, name: &str) -> Result<MoRef, Error> {
        self.create_folder(parent, name).await
    }

    async fn search_datastore(
        &self,
        browser: &MoRef,
        folder: &str,
        pattern: &str,
    ) -> Result<MoRef, Error> {
        self.search_datastore(browser, folder, pattern).await
    }

    async fn make_directory(
        &self,
        file_manager: &MoRef,
        path: &str,
        datacenter: &MoRef,
    ) -> Result<(), Error> {
        self.make_directory(file_manager, path, datacenter).await
    }

    async fn create_namespace(
        &self,
        namespace_manager: &MoRef,
        datastore: &MoRef,
        name: &str,
    ) -> Result<String, Error> {
        self.create_namespace(namespace_manager, datastore, name)
            .await
    }

    async fn move_file(
        &self,
        file_manager: &MoRef,
        from: &str,
        to: &str,
        datacenter: &MoRef,
    ) -> Result<MoRef, Error> {
        self.move_file(file_manager, from, to, datacenter).await
    }

    async fn delete_file(
        &self,
        file_manager: &MoRef,
        path: &str,
        datacenter: &MoRef,
    ) -> Result<MoRef, Error> {
        self.delete_file(file_manager, path, datacenter).await
    }

    async fn write_file(
        &self,
        file: &RemoteFile,
        length: u64,
        content: Content,
    ) -> Result<(), WriteError> {
        self.write_file(file, length, content).await
    }

    async fn read_file(&self, file: &RemoteFile, at_most: usize) -> Result<Option<Vec<u8>>, Error> {
        self.read_file(file, at_most).await
    }

    async fn create_vm(
        &self,
        folder: &MoRef,
        config: &ConfigSpec,
        pool: &MoRef,
        host: Option<&MoRef>,
    ) -> Result<MoRef, Error> {
        self.create_vm(folder, config, pool, host).await
    }

    async fn power_on(&self, datacenter: &MoRef, vms: &[MoRef]) -> Result<MoRef, Error> {
        self.power_on(datacenter, vms).await
    }

    async fn power_off(&self, vm: &MoRef) -> Result<MoRef, Error> {
        self.power_off(vm).await
    }

    async fn destroy(&self, object: &MoRef) -> Result<MoRef, Error> {
        self.destroy(object).await
    }

    async fn reconfigure(&self, vm: &MoRef, change: &Reconfiguration) -> Result<MoRef, Error> {
        self.reconfigure(vm, change).await
    }

    async fn answer(&self, vm: &MoRef, question: &str, choice: &str) -> Result<(), Error> {
        self.answer(vm, question, choice).await
    }
}
