//! The session is lost, or the connection, at whatever call: nobody notices, there is never a second
//! machine, and at most one login more.
//!
//! The rows are all methods that the driver can call, the columns all ways to lose them. A method
//! without a row does not compile.

use lab::proxy::{Action, Fault};
use serde_json::{Value, json};
use vsphere_driver::soap::Method;

use crate::requests::{DELETE, ENSURE, PLACEMENT, RELEASE, keys, machines, with, without};
use crate::zone::{Zone, soon, states};

/// How often a caller asks again when it is told that this may help.
const ATTEMPTS: usize = 4;

/// How a call is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// An administrator ends the session before the call arrives.
    EndedBefore,
    /// The same as soon as it was answered.
    EndedAfter,
    /// vCenter answers that there is no session.
    NotAuthenticated,
    /// The connection is reset before the call arrives.
    ResetBefore,
    /// vCenter does it, and the connection is reset before the answer.
    ResetAfter,
    /// Half of the answer comes.
    Truncated,
    /// Something in front of vCenter has no room.
    Unavailable,
}

/// What has the driver call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// A new session, in which everything is built anew.
    NewSession,
    /// A reading that broke off, after which the same is built anew in the same session.
    BrokenReading,
    /// A machine with an ISO, in a new folder.
    Ensure,
    /// The same, after the reply to its creation was lost.
    LostCreate,
    /// A look at a placement.
    Check,
    /// The removal of a machine.
    Delete,
    /// A machine that is given up.
    Release,
    /// The end of the driver.
    Stop,
    /// A file on a datastore: its losses are among the tests of those.
    File,
    /// Nothing: no work needs it, or none that is played here.
    Nothing,
}

fn by(method: Method) -> By {
    match method {
        Method::CreateContainerView
        | Method::CreateFilter
        | Method::CreateListView
        | Method::CreatePropertyCollector
        | Method::Login
        | Method::RetrieveServiceContent
        | Method::WaitForUpdatesEx => By::NewSession,
        Method::DestroyPropertyCollector | Method::DestroyView => By::BrokenReading,
        Method::CreateFolder
        | Method::CreateVm
        | Method::ModifyListView
        | Method::PowerOnMultiVm
        | Method::SearchDatastore => By::Ensure,
        Method::FindAllByUuid | Method::FindChild => By::LostCreate,
        Method::HasPrivilegeOnEntities => By::Check,
        Method::Destroy | Method::PowerOffVm | Method::RetrievePropertiesEx => By::Delete,
        Method::ReconfigVm => By::Release,
        Method::Logout => By::Stop,
        Method::CreateDirectory
        | Method::DeleteDatastoreFile
        | Method::MakeDirectory
        | Method::MoveDatastoreFile => By::File,
        Method::AnswerVm
        | Method::CancelRetrievePropertiesEx
        | Method::CancelWaitForUpdates
        | Method::ContinueRetrievePropertiesEx
        | Method::CurrentTime
        | Method::DestroyPropertyFilter
        | Method::PowerOnVm => By::Nothing,
    }
}

#[tokio::test]
async fn a_session_that_ends_before_any_call_is_not_missed() {
    survive(Loss::EndedBefore).await;
}

#[tokio::test]
async fn a_session_that_ends_after_any_call_is_not_missed() {
    survive(Loss::EndedAfter).await;
}

#[tokio::test]
async fn a_session_that_any_call_finds_unknown_is_not_missed() {
    survive(Loss::NotAuthenticated).await;
}

#[tokio::test]
async fn a_connection_that_is_reset_before_any_call_is_not_missed() {
    survive(Loss::ResetBefore).await;
}

#[tokio::test]
async fn a_connection_that_is_reset_after_any_call_is_not_missed() {
    survive(Loss::ResetAfter).await;
}

#[tokio::test]
async fn half_an_answer_to_any_call_does_no_harm() {
    survive(Loss::Truncated).await;
}

#[tokio::test]
async fn a_status_503_for_any_call_does_no_harm() {
    survive(Loss::Unavailable).await;
}

/// Loses each method once, and looks what became of it.
async fn survive(loss: Loss) {
    let mut zone = Zone::start().await;
    zone.lab.upload_iso().await.unwrap();
    let mut expected = Vec::new();
    let mut wrong = Vec::new();
    for (slot, method) in (1..).zip(Method::ALL) {
        let cell = Cell {
            zone: &zone,
            loss,
            method: *method,
            slot,
        };
        match by(*method) {
            By::Stop | By::File | By::Nothing => continue,
            By::NewSession | By::BrokenReading | By::Ensure | By::LostCreate | By::Release => {
                expected.push(cell.name());
            }
            By::Check | By::Delete => {}
        }
        wrong.extend(cell.play().await);
    }
    expected.sort();
    assert_eq!(zone.names_of_those_on().await, expected, "{loss:?}");
    assert_eq!(zone.machines().await.len(), expected.len(), "{loss:?}");
    assert!(wrong.is_empty(), "{loss:?}:\n{}", wrong.join("\n"));
    assert_eq!(
        zone.lab.vcenter().sessions().await.unwrap().len(),
        1,
        "{loss:?}"
    );
    if let Some(action) = loss.action() {
        zone.lab.proxy().add(Fault::next("Logout", action));
    }
    soon("the driver to stop", zone.lab.stop_driver())
        .await
        .unwrap();
}

/// One method that is lost in one way.
struct Cell<'a> {
    zone: &'a Zone,
    loss: Loss,
    method: Method,
    slot: u32,
}

impl Cell<'_> {
    fn owner(&self) -> String {
        self.method.name().to_lowercase().replace('_', "-")
    }

    fn name(&self) -> String {
        format!("{}-n{:02}", self.owner(), self.slot)
    }

    /// What is wrong with what became of it.
    async fn play(&self) -> Vec<String> {
        let proxy = self.zone.lab.proxy();
        if matches!(by(self.method), By::Delete | By::Release) {
            self.zone.call(ENSURE, &self.machine()).await;
        }
        proxy.reset();
        self.prepare();
        let (failures, ()) = tokio::join!(self.work(), self.lose());
        proxy.clear();
        self.zone.connection("CONNECTED").await;
        let logins = self.zone.calls("Login");
        // The work itself may begin with a login, and the loss of the login needs another.
        let needed = u64::from(by(self.method) == By::NewSession);
        let is_lost = self.zone.calls(self.method.name()) > 0;
        let mut wrong = Vec::new();
        if !is_lost {
            wrong.push(format!("{}: not called", self.method));
        }
        if logins > needed + 1 {
            wrong.push(format!("{}: {logins} logins", self.method));
        }
        // While the inventory is read anew, a caller is told so; each other loss is made good.
        let is_told = match by(self.method) {
            By::BrokenReading => true,
            // No vCenter says that it knows no session to what needs none.
            By::NewSession => {
                self.loss.is_of_the_connection()
                    || matches!(self.method, Method::Login | Method::RetrieveServiceContent)
            }
            _ => false,
        };
        let most = if is_told { ATTEMPTS } else { 0 };
        if failures.len() > most {
            wrong.push(format!("{}: {failures:?}", self.method));
        }
        wrong
    }

    fn prepare(&self) {
        let proxy = self.zone.lab.proxy();
        if by(self.method) == By::LostCreate {
            proxy.add(Fault::next("CreateVM_Task", Action::DropAfter));
        }
        if by(self.method) == By::BrokenReading {
            proxy.add(Fault::next("WaitForUpdatesEx", Action::DropBefore));
        }
        if let Some(action) = self.loss.action() {
            proxy.add(Fault::next(self.method.name(), action));
        }
    }

    /// Loses what no reply can lose.
    async fn lose(&self) {
        let (lab, method) = (&self.zone.lab, self.method.name());
        match self.loss {
            Loss::EndedBefore => {
                let hold = lab.proxy().hold(method);
                soon(method, lab.proxy().seen(method, 1)).await;
                lab.vcenter().end_sessions().await.unwrap();
                drop(hold);
            }
            Loss::EndedAfter => {
                soon(method, lab.proxy().answered(method, 1)).await;
                lab.vcenter().end_sessions().await.unwrap();
            }
            _ => {}
        }
    }

    /// Does what calls the method, as a caller that heeds retry classes; gives the refusals.
    async fn work(&self) -> Vec<String> {
        let zone = self.zone;
        let mut failures = Vec::new();
        if by(self.method) == By::NewSession {
            zone.lab.vcenter().end_sessions().await.unwrap();
            // The simulator ends no wait that is under way, so that only another call finds out.
            let found_out = zone.attempt(PLACEMENT, &self.check()).await;
            failures.extend(found_out.err().map(|refusal| refusal.to_string()));
            let method = self.method.name();
            soon(method, zone.lab.proxy().seen(method, 1)).await;
            zone.connection("CONNECTED").await;
        }
        let (call, request, goal) = match by(self.method) {
            By::Check => (PLACEMENT, self.check(), ""),
            By::Delete => (DELETE, keys(&self.owner(), [self.slot]), "GONE"),
            By::Release => {
                let request = keys(&self.owner(), [self.slot]);
                (RELEASE, with(request, "/nobody", json!({})), "RUNNING")
            }
            _ => (ENSURE, self.machine(), "RUNNING"),
        };
        for _ in 0..ATTEMPTS {
            match zone.attempt(call, &request).await {
                Ok(reply) if goal.is_empty() || states(&reply) == [goal] => return failures,
                Ok(reply) => failures.push(reply["results"][0]["fault"].to_string()),
                Err(refusal) => failures.push(refusal.to_string()),
            }
            zone.connection("CONNECTED").await;
        }
        failures.push("given up".into());
        failures
    }

    fn machine(&self) -> Value {
        let request = machines(&self.owner(), [self.slot]);
        match self.method {
            Method::CreateFolder => with(request, "/spec/placement/folder", "matrix/deep"),
            Method::SearchDatastore => {
                let iso = format!("[{}] {}", lab::DATASTORE, lab::ISO);
                with(request, "/spec/cdrom", json!({"isoPath": iso}))
            }
            _ => request,
        }
    }

    fn check(&self) -> Value {
        ["/owner", "/identities", "/wait"]
            .iter()
            .fold(self.machine(), |request, field| without(request, field))
    }
}

impl Loss {
    /// What is done to the call, where the loss is a reply.
    fn action(self) -> Option<Action> {
        match self {
            Self::EndedBefore | Self::EndedAfter => None,
            Self::NotAuthenticated => Some(Action::reply("NotAuthenticated")),
            Self::ResetBefore => Some(Action::DropBefore),
            Self::ResetAfter => Some(Action::DropAfter),
            Self::Truncated => Some(Action::Truncate),
            Self::Unavailable => Some(Action::Status { code: 503 }),
        }
    }

    /// Then the inventory is read anew, if it was lost while that was read.
    fn is_of_the_connection(self) -> bool {
        !matches!(
            self,
            Self::EndedBefore | Self::EndedAfter | Self::NotAuthenticated
        )
    }
}
