//! The one session with a vCenter: logged in when it is needed, again when it is lost, never in a storm.

mod failure;
#[cfg(test)]
mod tests;

pub use failure::Failure;

use super::{
    explain,
    ledger::{Account, Ledger},
};
use crate::{
    secret::Secret,
    soap::{
        Error, Server, ServiceContent,
        property_collector::{FilterSpec, ObjectContent},
        session::UserSession,
        trust::SeenCertificate,
    },
    vim::Vim,
};
use contract::v1::{Fault, Reason};
use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::{Instant, timeout},
};

/// How often in a row a session is renewed for one call: one that was just made may be ended, too.
const RENEWALS: usize = 2;
/// How long the end of a session that vCenter says is over may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// Within which a connection that is reset tells so.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Where the password comes from.
pub type Password = Arc<dyn Fn() -> Result<Secret, Fault> + Send + Sync>;

/// The session with one vCenter for one account.
pub struct Session {
    vim: Vim,
    server: Server,
    username: String,
    password: Password,
    ledger: Arc<Ledger>,
    login: AsyncMutex<()>,
    /// When a login failed last, and why.
    failed: Mutex<Option<(Instant, Fault)>>,
    current: watch::Sender<Option<Current>>,
    suspended: Mutex<Option<Instant>>,
    closed: AtomicBool,
}

/// A session that vCenter gave.
#[derive(Clone, Debug)]
pub struct Current {
    /// Which one in this run, from 1.
    pub number: u64,
    /// vCenter's managers.
    pub content: Arc<ServiceContent>,
    /// Its key.
    pub user: UserSession,
    /// Since when.
    pub since: prost_types::Timestamp,
}

// === impl Session ===

impl Session {
    /// A session that is not logged in yet.
    pub fn new(vim: Vim, username: String, password: Password, ledger: Arc<Ledger>) -> Self {
        let server = vim.server().clone();
        Self {
            vim,
            server,
            username,
            password,
            ledger,
            login: AsyncMutex::default(),
            failed: Mutex::default(),
            current: watch::Sender::new(None),
            suspended: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// `host:port`.
    pub fn server(&self) -> String {
        self.server.to_string()
    }

    /// The host alone, without brackets.
    pub fn host(&self) -> &str {
        self.server.host()
    }

    /// Who logs in.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The session, if there is one.
    pub fn current(&self) -> Option<Current> {
        self.current.borrow().clone()
    }

    /// Tells when there is another session.
    pub fn changes(&self) -> watch::Receiver<Option<Current>> {
        self.current.subscribe()
    }

    /// The certificate that vCenter showed last.
    pub fn seen_certificate(&self) -> Option<SeenCertificate> {
        self.vim.seen_certificate()
    }

    /// When a login may be tried again, if it may not be now.
    pub fn suspended_for(&self) -> Option<Duration> {
        let until = *self
            .suspended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Refused logins that count against this account.
    pub fn refused_logins(&self) -> usize {
        self.ledger.refused(&self.account(), Instant::now())
    }

    /// The session; logs in when there is none.
    pub async fn ensure(&self) -> Result<Current, Fault> {
        match self.current() {
            Some(current) => Ok(current),
            None => self.renew(0).await,
        }
    }

    /// The session, to do something in it that cannot be done twice: what finds the session ended says so.
    pub async fn enter(&self, operation_id: &str) -> Result<(Vim, Current), Fault> {
        let current = self.ensure().await?;
        let vim = if operation_id.is_empty() {
            Vim::clone(&self.vim)
        } else {
            self.vim.operation(operation_id)
        };
        Ok((vim, current))
    }

    /// Does something in the session. Where vCenter no longer knows it, logs in and does it again: a call
    /// that was refused for that did not run.
    pub async fn run<T, F>(
        &self,
        operation_id: &str,
        act: impl Fn(Vim, Current) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let entered = self.enter(operation_id).await;
        let (vim, mut current) = entered.map_err(Failure::no_session)?;
        for _ in 0..RENEWALS {
            let number = current.number;
            match act(Vim::clone(&vim), current).await {
                Err(error) if error.is_not_authenticated() => {
                    current = self.renew(number).await.map_err(Failure::no_session)?;
                }
                result => return result.map_err(Failure::Call),
            }
        }
        act(vim, current).await.map_err(Failure::Call)
    }

    /// The same for what changes nothing: it is done once more where the reply was lost.
    pub async fn look<T, F>(
        &self,
        operation_id: &str,
        act: impl Fn(Vim, Current) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let begun = Instant::now();
        match self.run(operation_id, &act).await {
            // What was waited for in vain is not waited for twice.
            Err(failure) if failure.may_pass() && begun.elapsed() < AT_ONCE => {
                self.run(operation_id, &act).await
            }
            result => result,
        }
    }

    /// Reads what a spec selects, once.
    pub async fn retrieve(&self, spec: FilterSpec) -> Result<Vec<ObjectContent>, Failure> {
        let specs = [spec];
        let read = |vim: Vim, now: Current| {
            let specs = specs.clone();
            async move {
                let collector = &now.content.property_collector;
                let read = vim.retrieve(collector, &specs, None).await?;
                refuse_unauthenticated(read)
            }
        };
        self.look("", read).await
    }

    /// Logs in anew, unless somebody did since session `lost`. Where somebody tried in vain meanwhile, that
    /// is the answer: hundreds may wait, and each would wait for the tries of all before it.
    pub async fn renew(&self, lost: u64) -> Result<Current, Fault> {
        let asked = Instant::now();
        let _one_at_a_time = self.login.lock().await;
        let before = self.current().map_or(0, |current| current.number);
        if before > lost
            && let Some(current) = self.current()
        {
            return Ok(current);
        }
        if let Some(fault) = self.failed_since(asked) {
            return Err(fault);
        }
        if let Some(lost) = self.current() {
            // vCenter may have refused one call only. It takes a login in a session that lives for a
            // wrong password, and else the old session would be left behind.
            let _ = timeout(FAREWELL, self.vim.logout(&lost.content)).await;
        }
        match self.log_in(before.max(lost) + 1).await {
            Ok(current) => {
                self.current.send_replace(Some(current.clone()));
                Ok(current)
            }
            Err(fault) => {
                *self.lock_failed() = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    fn failed_since(&self, asked: Instant) -> Option<Fault> {
        let failed = self.lock_failed();
        let (at, fault) = failed.as_ref()?;
        (*at > asked).then(|| fault.clone())
    }

    fn lock_failed(&self) -> MutexGuard<'_, Option<(Instant, Fault)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn log_in(&self, number: u64) -> Result<Current, Fault> {
        let server = self.server();
        if self.closed.load(Ordering::Acquire) {
            let what = format!("the session with {server} was closed for good");
            return Err(Fault::new(Reason::VcenterUnknown, what).with("server", server));
        }
        let password = (self.password)()?;
        let account = self.account();
        self.admit(&account, &password)?;
        let failed = |error: &Error| explain::of_error(error, "logging in", &server);
        let content = self.vim.service_content().await.map_err(|e| failed(&e))?;
        match self.vim.login(&content, &self.username, &password).await {
            Ok(user) => {
                self.ledger.succeed(&account);
                self.suspend(None);
                tracing::info!(server, username = self.username, number, "Logged in");
                let since = super::clock::now();
                Ok(Current {
                    number,
                    content: Arc::new(content),
                    user,
                    since,
                })
            }
            Err(error) => {
                let fault = failed(&error);
                if fault.reason() != Reason::VcenterBadCredentials {
                    return Err(fault);
                }
                let left = self
                    .ledger
                    .refuse(&account, password.expose(), Instant::now());
                let _ = self.admit(&account, &password);
                Err(fault
                    .with("server", &server)
                    .with("username", &self.username)
                    .with("attempts_left", left))
            }
        }
    }

    /// Whether a login may be tried; notes until when it may not.
    fn admit(&self, account: &Account, password: &Secret) -> Result<(), Fault> {
        let now = Instant::now();
        let Err(suspended) = self.ledger.admit(account, password.expose(), now) else {
            return Ok(());
        };
        self.suspend(Some(suspended.until));
        let wait = suspended.until - now;
        let server = self.server();
        let why = if suspended.same_password {
            "this password was refused"
        } else {
            "three logins were refused"
        };
        let minutes = wait.as_secs().div_ceil(60);
        let what = format!(
            "{why} for `{}` at {server}; no login is tried for {minutes} min",
            self.username
        );
        Err(Fault::new(Reason::VcenterLoginSuspended, what)
            .with("server", server)
            .with("username", &self.username)
            .after(wait))
    }

    fn suspend(&self, until: Option<Instant>) {
        *self
            .suspended
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn account(&self) -> Account {
        Account {
            server: self.server(),
            username: self.username.clone(),
        }
    }

    /// Logs out, if there is a session. There will be none again: a call that is still under way must
    /// not leave one behind.
    pub async fn close(&self) {
        let _one_at_a_time = self.login.lock().await;
        self.closed.store(true, Ordering::Release);
        let Some(current) = self.current.send_replace(None) else {
            return;
        };
        match self.vim.logout(&current.content).await {
            Ok(()) => tracing::info!(server = %self.server, "Logged out"),
            Err(error) => {
                let fault = explain::of_error(&error, "logging out", &self.server());
                tracing::warn!(server = %self.server, error = fault.message, "Logout failed");
            }
        }
    }
}

/// A session that ends under a reading does not fail it: each property is missing for it. That says
/// nothing of the objects.
fn refuse_unauthenticated(read: Vec<ObjectContent>) -> Result<Vec<ObjectContent>, Error> {
    let mut missing = read.iter().flat_map(|content| &content.missing);
    match missing.find(|property| property.fault.is_not_authenticated()) {
        Some(property) => Err(Error::Fault(Box::new(property.fault.clone()))),
        None => Ok(read),
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Session");
        out.field("server", &self.server())
            .field("username", &self.username);
        out.finish_non_exhaustive()
    }
}
