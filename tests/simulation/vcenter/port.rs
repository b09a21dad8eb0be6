//! The driver's port to the vCenter in memory, through a network on which calls and replies get lost.

use super::{
    Session, State, View,
    collector::{Collector, Telling},
    inventory,
    tasks::{self, Work},
    values,
};
use crate::world::{Life, Shared, World};
use async_trait::async_trait;
use contract::identity::MachineKey;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use vsphere_driver::{
    secret::Secret,
    soap::{
        Error, MoRef, Server, ServiceContent, VimFault,
        authorization::EntityPrivileges,
        config_spec::ConfigSpec,
        property_collector::{FilterSpec, ObjectContent, UpdateSet, WaitOptions},
        search::UuidKind,
        session::UserSession,
        trust::SeenCertificate,
    },
    vim::{Vim, VimApi},
};

/// Longest that a call or its reply is on its way, as a rule and in bad weather.
const USUAL: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_secs(15);
/// Longest that somebody waits for a reply that does not come.
const DEADLINE: Duration = Duration::from_mins(1);

/// One run of the driver, at this vCenter. Clones share the session.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Shared,
    life: Life,
    run: u32,
    server: Server,
    session: Arc<Mutex<Option<String>>>,
}

/// What becomes of a call.
enum Fate {
    Unreachable(Duration),
    Busy,
    Lost(Duration),
    Arrives {
        there: Duration,
        back: Duration,
        reply_lost: bool,
    },
}

type Reply<T> = Result<T, VimFault>;

impl Client {
    pub(crate) fn new(shared: Shared, life: Life, run: u32, server: Server) -> Self {
        Self {
            shared,
            life,
            run,
            server,
            session: Arc::default(),
        }
    }

    /// Sends a call in the session. What has arrived is done, whether its sender still lives or not.
    async fn call<T: Send + 'static>(
        &self,
        method: &'static str,
        what: impl fmt::Display + Send,
        act: impl FnOnce(&Shared, &mut World, &str) -> Reply<T> + Send + 'static,
    ) -> Result<T, Error> {
        let session = self.session.lock().unwrap().clone();
        let act = move |shared: &Shared, world: &mut World| {
            let session = session.unwrap_or_default();
            if !world.vcenter.sessions.contains_key(&session) {
                return Err(values::fault("NotAuthenticated", None));
            }
            let ends = world.weather.session_ends;
            if world.chance(ends) {
                world.note("vCenter ends the session");
                world.vcenter.sessions.remove(&session);
                return Err(values::fault("NotAuthenticated", None));
            }
            act(shared, world, &session)
        };
        self.send(method, what, act).await
    }

    async fn send<T: Send + 'static>(
        &self,
        method: &'static str,
        what: impl fmt::Display + Send,
        act: impl FnOnce(&Shared, &mut World) -> Reply<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.life.check().await;
        let fate = self.shared.with(fate);
        let run = self.run;
        let (there, back, reply_lost) = match fate {
            Fate::Unreachable(after) => {
                self.life.sleep(after).await;
                return Err(unreachable());
            }
            Fate::Busy => {
                self.life.sleep(USUAL).await;
                return Err(Error::Busy {
                    method,
                    status: 503,
                    retry_after: None,
                });
            }
            Fate::Lost(after) => {
                self.shared
                    .note(format!("driver {run}: {method} {what}: lost"));
                self.life.sleep(after).await;
                return Err(lost(method));
            }
            Fate::Arrives {
                there,
                back,
                reply_lost,
            } => (there, back, reply_lost),
        };
        let told = format!("driver {run}: {method} {what}");
        let arrives = self.arrive(told, (there, reply_lost), act);
        let reply = arrives.await.unwrap();
        self.life.sleep(back).await;
        match reply {
            Some(reply) if !reply_lost => reply.map_err(|fault| Error::Fault(Box::new(fault))),
            Some(_) | None => Err(lost(method)),
        }
    }

    /// The call is on its way, and nobody can take it back.
    fn arrive<T: Send + 'static>(
        &self,
        told: String,
        (there, reply_lost): (Duration, bool),
        act: impl FnOnce(&Shared, &mut World) -> Reply<T> + Send + 'static,
    ) -> JoinHandle<Option<Reply<T>>> {
        let (shared, sender) = (self.shared.clone(), self.life.clone());
        tokio::spawn(async move {
            sleep(there).await;
            if sender.is_over() {
                // What a killed process had not yet sent out never arrives.
                return None;
            }
            let handle = shared.clone();
            shared.with(|world| {
                if !world.vcenter.up {
                    return None;
                }
                let reply = act(&handle, world);
                let how = match &reply {
                    Ok(_) if reply_lost => " (reply lost)".to_owned(),
                    Ok(_) => String::new(),
                    Err(fault) => format!(": {}", fault.type_name),
                };
                world.note(format!("{told}{how}"));
                Some(reply)
            })
        })
    }

    /// Begins a task.
    async fn task(
        &self,
        method: &'static str,
        what: impl fmt::Display + Send,
        work: impl FnOnce(&mut State) -> Reply<Work> + Send + 'static,
    ) -> Result<MoRef, Error> {
        self.call(method, what, move |shared, world, _| {
            let work = work(&mut world.vcenter)?;
            Ok(tasks::begin(shared, world, work))
        })
        .await
    }
}

fn fate(world: &mut World) -> Fate {
    let weather = world.weather.clone();
    if !world.vcenter.up {
        return Fate::Unreachable(world.time(Duration::from_secs(10)));
    }
    if world.chance(weather.busy) {
        return Fate::Busy;
    }
    if world.chance(weather.call_lost) {
        return Fate::Lost(world.time(DEADLINE));
    }
    let most = if world.chance(weather.slow) {
        LATE
    } else {
        USUAL
    };
    Fate::Arrives {
        there: world.time(most),
        back: world.time(most),
        reply_lost: world.chance(weather.reply_lost),
    }
}

fn unreachable() -> Error {
    Error::Unreachable {
        server: "vc:443".into(),
        source: "refused".into(),
    }
}

fn lost(method: &'static str) -> Error {
    Error::Lost {
        method,
        source: "reset".into(),
    }
}

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
}

impl State {
    /// A session that is there: every call looks for it first.
    fn session(&mut self, key: &str) -> &mut Session {
        self.sessions.get_mut(key).expect("looked for it")
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
