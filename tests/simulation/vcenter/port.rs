//! The driver's port to the vCenter in memory: what each call does there.

use super::{
    Session, State, View,
    collector::{Collector, Telling},
    inventory,
    network::{Client, Reply, USUAL, lost},
    tasks::{self, Work},
    values,
};
use crate::world::World;
use async_trait::async_trait;
use contract::identity::MachineKey;
use futures::StreamExt as _;
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::{Instant, timeout};
use vsphere_driver::{
    secret::Secret,
    soap::{
        Error, MoRef, Server, ServiceContent,
        authorization::EntityPrivileges,
        client::files::{Content, RemoteFile, WriteError},
        config_spec::ConfigSpec,
        property_collector::{FilterSpec, ObjectContent, UpdateSet, WaitOptions},
        reconfigure::Reconfiguration,
        search::UuidKind,
        session::UserSession,
        trust::SeenCertificate,
    },
    vim::{Vim, VimApi},
};

/// The machine of ours that a spec is for: by its UUID, as its mark may be missing.
fn key_of(world: &World, spec: &ConfigSpec) -> Option<MachineKey> {
    let uuid = spec.instance_uuid.as_deref()?;
    world.hub.key_of(uuid)
}

/// A machine that nobody of ours has made is about to be changed.
fn ours(state: &mut State, method: &str, vm: &MoRef) -> Reply<()> {
    match state.machines.get_mut(vm) {
        None => Err(values::fault("ManagedObjectNotFound", Some(vm))),
        Some(machine) => {
            machine.leaving |= method != "PowerOnMultiVM_Task";
            if machine.key.is_none() {
                state
                    .touched_foreign
                    .push(format!("{method} of {} ({vm})", machine.name));
            }
            Ok(())
        }
    }
}

#[async_trait]
impl VimApi for Client {
    fn operation(&self, _: &str) -> Vim {
        Arc::new(self.clone())
    }

    fn server(&self) -> &Server {
        &self.server
    }

    fn seen_certificate(&self) -> Option<SeenCertificate> {
        None
    }

    async fn service_content(&self) -> Result<ServiceContent, Error> {
        self.send(
            "RetrieveServiceContent",
            "",
            |_, _| Ok(inventory::content()),
        )
        .await
    }

    async fn login(
        &self,
        _: &ServiceContent,
        user: &str,
        _: &Secret,
    ) -> Result<UserSession, Error> {
        let run = self.run;
        let logged_in = self.send("Login", user.to_owned(), move |_, world| {
            let state = &mut world.vcenter;
            state.next += 1;
            let key = format!("session-{}", state.next);
            let session = Session {
                run,
                unknown: true,
                views: BTreeMap::new(),
                collectors: BTreeMap::new(),
            };
            state.sessions.insert(key.clone(), session);
            Ok(key)
        });
        let key = logged_in.await?;
        self.shared.with(|world| {
            if let Some(session) = world.vcenter.sessions.get_mut(&key) {
                session.unknown = false;
            }
        });
        *self.session.lock().unwrap() = Some(key.clone());
        Ok(UserSession {
            key,
            user_name: user.to_owned(),
        })
    }

    async fn logout(&self, _: &ServiceContent) -> Result<(), Error> {
        // Whether the call arrives or not: it was given up.
        let key = self.session.lock().unwrap().clone().unwrap_or_default();
        self.shared.with(|world| {
            if let Some(session) = world.vcenter.sessions.get_mut(&key) {
                session.unknown = true;
            }
        });
        self.call("Logout", "", |_, world, session| {
            world.vcenter.sessions.remove(session);
            Ok(())
        })
        .await
    }

    async fn create_property_collector(&self, _: &MoRef) -> Result<MoRef, Error> {
        self.call("CreatePropertyCollector", "", |_, world, session| {
            let collector = world.vcenter.new_ref("PropertyCollector", "pc");
            let session = world.vcenter.session(session);
            session
                .collectors
                .insert(collector.clone(), Collector::default());
            Ok(collector)
        })
        .await
    }

    async fn destroy_property_collector(&self, collector: &MoRef) -> Result<(), Error> {
        let collector = collector.clone();
        self.call("DestroyPropertyCollector", "", move |_, world, session| {
            world.vcenter.session(session).collectors.remove(&collector);
            Ok(())
        })
        .await
    }

    async fn create_filter(&self, collector: &MoRef, spec: &FilterSpec) -> Result<MoRef, Error> {
        let (collector, spec) = (collector.clone(), spec.clone());
        self.call("CreateFilter", "", move |_, world, session| {
            if world.weather.filters_refused {
                return Err(values::fault("InvalidProperty", None));
            }
            let filter = world.vcenter.new_ref("PropertyFilter", "filter");
            let missing = values::fault("ManagedObjectNotFound", Some(&collector));
            let session = world.vcenter.session(session);
            let collector = session.collectors.get_mut(&collector).ok_or(missing)?;
            collector.filters.push((filter.clone(), spec));
            Ok(filter)
        })
        .await
    }

    async fn wait_for_updates(
        &self,
        collector: &MoRef,
        version: &str,
        options: WaitOptions,
    ) -> Result<Option<UpdateSet>, Error> {
        const METHOD: &str = "WaitForUpdatesEx";
        let (end, boot) = (
            Instant::now() + options.max_wait,
            self.shared.with(|world| world.vcenter.boot),
        );
        let mut news = self.shared.vcenter_news();
        loop {
            news.catch_up();
            let restarted = self.shared.with(|world| world.vcenter.boot != boot);
            if restarted {
                self.life.check().await;
                return Err(lost(METHOD));
            }
            let (of, since) = (collector.clone(), version.to_owned());
            let look = self.call(METHOD, version.to_owned(), move |_, world, session| {
                let odd = world.weather.odd_updates;
                let telling = Telling {
                    most: if world.chance(odd) { 3 } else { 500 },
                    twice: world.chance(odd),
                };
                world.vcenter.updates(session, &of, &since, telling)
            });
            if let Some(updates) = look.await? {
                return Ok(Some(updates));
            }
            let left = end.saturating_duration_since(Instant::now());
            if timeout(left, news.rung()).await.is_err() {
                self.life.check().await;
                return Ok(None);
            }
            self.life.sleep(USUAL).await;
        }
    }

    async fn retrieve(
        &self,
        _: &MoRef,
        specs: &[FilterSpec],
        _: Option<u32>,
    ) -> Result<Vec<ObjectContent>, Error> {
        let specs = specs.to_vec();
        self.call("RetrievePropertiesEx", "", move |_, world, session| {
            world.vcenter.retrieve(session, &specs)
        })
        .await
    }

    async fn create_container_view(
        &self,
        _: &MoRef,
        _: &MoRef,
        kinds: &[&str],
    ) -> Result<MoRef, Error> {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self.call("CreateContainerView", "", move |_, world, session| {
            let view = world.vcenter.new_ref("ContainerView", "view");
            let session = world.vcenter.session(session);
            session.views.insert(view.clone(), View::Below(kinds));
            Ok(view)
        })
        .await
    }

    async fn create_list_view(&self, _: &MoRef, objects: &[MoRef]) -> Result<MoRef, Error> {
        let objects = objects.iter().cloned().collect();
        self.call("CreateListView", "", move |_, world, session| {
            let view = world.vcenter.new_ref("ListView", "view");
            let session = world.vcenter.session(session);
            session.views.insert(view.clone(), View::These(objects));
            world.vcenter.changes += 1;
            Ok(view)
        })
        .await
    }

    async fn modify_list_view(
        &self,
        view: &MoRef,
        add: &[MoRef],
        remove: &[MoRef],
    ) -> Result<Vec<MoRef>, Error> {
        let (view, add, remove) = (view.clone(), add.to_vec(), remove.to_vec());
        self.call("ModifyListView", "", move |_, world, session| {
            let state = &mut world.vcenter;
            let there = |object: &&MoRef| !state.objects.contains_key(*object);
            let unknown: Vec<_> = add.iter().filter(there).cloned().collect();
            let missing = values::fault("ManagedObjectNotFound", Some(&view));
            let session = state.session(session);
            let Some(View::These(objects)) = session.views.get_mut(&view) else {
                return Err(missing);
            };
            objects.extend(add.into_iter().filter(|object| !unknown.contains(object)));
            objects.retain(|object| !remove.contains(object));
            state.changes += 1;
            Ok(unknown)
        })
        .await
    }

    async fn destroy_view(&self, view: &MoRef) -> Result<(), Error> {
        let view = view.clone();
        self.call("DestroyView", "", move |_, world, session| {
            world.vcenter.session(session).views.remove(&view);
            Ok(())
        })
        .await
    }

    async fn has_privileges(
        &self,
        _: &MoRef,
        _: &str,
        _: &[MoRef],
        _: &[&str],
    ) -> Result<Vec<EntityPrivileges>, Error> {
        self.call("HasPrivilegeOnEntities", "", |_, _, _| Ok(Vec::new()))
            .await
    }

    async fn find_child(
        &self,
        _: &MoRef,
        parent: &MoRef,
        name: &str,
    ) -> Result<Option<MoRef>, Error> {
        let (parent, name) = (parent.clone(), name.to_owned());
        self.call("FindChild", name.clone(), move |_, world, _| {
            Ok(world.vcenter.child(&parent, &name).cloned())
        })
        .await
    }

    async fn find_vms(
        &self,
        _: &MoRef,
        _: Option<&MoRef>,
        uuid: &str,
        kind: UuidKind,
    ) -> Result<Vec<MoRef>, Error> {
        let path = match kind {
            UuidKind::Bios => "config.uuid",
            UuidKind::Instance => "config.instanceUuid",
        };
        let uuid = uuid.to_owned();
        self.call("FindAllByUuid", "", move |_, world, _| {
            let objects = world.vcenter.objects.iter();
            let same = objects.filter(|(_, p)| p.get(path).is_some_and(|is| is.text() == uuid));
            Ok(same.map(|(moref, _)| moref.clone()).collect())
        })
        .await
    }

    async fn create_folder(&self, parent: &MoRef, name: &str) -> Result<MoRef, Error> {
        let (parent, name) = (parent.clone(), name.to_owned());
        self.call("CreateFolder", name.clone(), move |_, world, _| {
            let state = &mut world.vcenter;
            if state.is_taken(&parent, &name) {
                return Err(values::fault("DuplicateName", Some(&parent)));
            }
            let folder = state.new_ref("Folder", "group");
            let properties = [
                ("name".to_owned(), values::leaf(name)),
                ("parent".to_owned(), values::reference(&parent)),
            ];
            state
                .objects
                .insert(folder.clone(), Arc::new(properties.into()));
            state.changes += 1;
            Ok(folder)
        })
        .await
    }

    async fn search_datastore(
        &self,
        _: &MoRef,
        folder: &str,
        pattern: &str,
    ) -> Result<MoRef, Error> {
        let work = Work::Search(folder.to_owned(), pattern.to_owned());
        self.task("SearchDatastore_Task", "", |_| Ok(work)).await
    }

    async fn make_directory(&self, _: &MoRef, path: &str, _: &MoRef) -> Result<(), Error> {
        self.call("MakeDirectory", path, |_, _, _| Ok(())).await
    }

    async fn create_namespace(&self, _: &MoRef, _: &MoRef, name: &str) -> Result<String, Error> {
        let refused = |_: &_, _: &mut _, _: &_| Err(values::fault("CannotCreateFile", None));
        self.call("CreateDirectory", name, refused).await
    }

    async fn move_file(&self, _: &MoRef, from: &str, to: &str, _: &MoRef) -> Result<MoRef, Error> {
        let work = Work::MoveFile(from.to_owned(), to.to_owned());
        self.task("MoveDatastoreFile_Task", to, |_| Ok(work)).await
    }

    async fn delete_file(&self, _: &MoRef, path: &str, _: &MoRef) -> Result<MoRef, Error> {
        let work = Work::DeleteFile(path.to_owned());
        self.task("DeleteDatastoreFile_Task", path, |_| Ok(work))
            .await
    }

    async fn write_file(
        &self,
        file: &RemoteFile,
        length: u64,
        mut content: Content,
    ) -> Result<(), WriteError> {
        let (path, mut bytes) = (file.to_string(), Vec::new());
        while let Some(piece) = content.next().await {
            bytes.extend(piece.map_err(WriteError::Content)?);
        }
        let sent = bytes.len() as u64;
        if sent != length {
            return Err(WriteError::Length { length, sent });
        }
        let put = self.call("PUT /folder", path.clone(), move |_, world, _| {
            world.vcenter.files.insert(path, bytes);
            Ok(())
        });
        Ok(put.await?)
    }

    async fn read_file(&self, file: &RemoteFile, _: usize) -> Result<Option<Vec<u8>>, Error> {
        let path = file.to_string();
        self.call("GET /folder", path.clone(), move |_, world, _| {
            Ok(world.vcenter.files.get(&path).cloned())
        })
        .await
    }

    async fn create_vm(
        &self,
        folder: &MoRef,
        config: &ConfigSpec,
        _: &MoRef,
        _: Option<&MoRef>,
    ) -> Result<MoRef, Error> {
        let (folder, config, name) = (folder.clone(), config.clone(), config.name.clone());
        self.call("CreateVM_Task", name, move |shared, world, _| {
            let now = world.now();
            let key = key_of(world, &config);
            let World { judge, hub, .. } = world;
            judge.create_arrives(hub, key.as_ref(), &config.name, now);
            if world.vcenter.is_taken(&folder, &config.name) && world.dice.bool() {
                return Err(values::fault("DuplicateName", Some(&folder)));
            }
            Ok(tasks::begin(
                shared,
                world,
                Work::Create(folder, Box::new(config), key),
            ))
        })
        .await
    }

    async fn power_on(&self, _: &MoRef, vms: &[MoRef]) -> Result<MoRef, Error> {
        let vms = vms.to_vec();
        let what = format!("{} machines", vms.len());
        self.task("PowerOnMultiVM_Task", what, |state| {
            for vm in &vms {
                ours(state, "PowerOnMultiVM_Task", vm)?;
            }
            Ok(Work::PowerOnAll(vms))
        })
        .await
    }

    async fn power_off(&self, vm: &MoRef) -> Result<MoRef, Error> {
        let vm = vm.clone();
        self.task("PowerOffVM_Task", vm.id.clone(), move |state| {
            ours(state, "PowerOffVM_Task", &vm)?;
            Ok(Work::PowerOff(vm))
        })
        .await
    }

    async fn destroy(&self, object: &MoRef) -> Result<MoRef, Error> {
        let vm = object.clone();
        self.task("Destroy_Task", vm.id.clone(), move |state| {
            ours(state, "Destroy_Task", &vm)?;
            Ok(Work::Destroy(vm))
        })
        .await
    }

    async fn reconfigure(&self, vm: &MoRef, change: &Reconfiguration) -> Result<MoRef, Error> {
        let (vm, change) = (vm.clone(), change.clone());
        self.task("ReconfigVM_Task", vm.id.clone(), move |state| {
            state.may_be_taken_over(&vm)?;
            Ok(Work::Reconfigure(vm, Box::new(change)))
        })
        .await
    }

    async fn answer(&self, vm: &MoRef, question: &str, _: &str) -> Result<(), Error> {
        // No machine here asks anything.
        let vm = vm.clone();
        self.call("AnswerVM", question, move |_, _, _| {
            Err(values::fault("InvalidArgument", Some(&vm)))
        })
        .await
    }
}

impl State {
    /// A session that is there: every call looks for it first.
    fn session(&mut self, key: &str) -> &mut Session {
        self.sessions.get_mut(key).expect("looked for it")
    }
}
