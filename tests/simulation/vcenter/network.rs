//! The network between a run of the driver and the vCenter, on which calls and replies get lost.

use super::{
    State,
    tasks::{self, Work},
    values,
};
use crate::world::{Life, Shared, World};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{task::JoinHandle, time::sleep};
use vsphere_driver::soap::{Error, MoRef, Server, VimFault};

/// Longest that a call or its reply is on its way, as a rule and in bad weather.
pub(super) const USUAL: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_secs(15);
/// Longest that somebody waits for a reply that does not come.
const DEADLINE: Duration = Duration::from_mins(1);

/// One run of the driver, at this vCenter. Clones share the session.
#[derive(Clone)]
pub(crate) struct Client {
    pub(super) shared: Shared,
    pub(super) life: Life,
    pub(super) run: u32,
    pub(super) server: Server,
    pub(super) session: Arc<Mutex<Option<String>>>,
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

pub(super) type Reply<T> = Result<T, VimFault>;

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
    pub(super) async fn call<T: Send + 'static>(
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

    pub(super) async fn send<T: Send + 'static>(
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
                world.vcenter.calls += 1;
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
    pub(super) async fn task(
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

pub(super) fn lost(method: &'static str) -> Error {
    Error::Lost {
        method,
        source: "reset".into(),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
