//! A proxy that counts calls and breaks them on request: between the driver and vCenter, where it
//! speaks SOAP, or between the controller and the driver, where it speaks gRPC.
//!
//! TLS on both sides; each connection of a client has one of its own behind the proxy, so that what
//! is cut on one side is cut on the other.

pub mod control;
mod counts;
mod faults;
mod forward;
mod hostile;
mod journal;
mod listen;
mod rpc;
mod soap;
mod state;
mod trap;
mod under_way;
mod upstream;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::counts::{Count, Counts};
pub use self::faults::{Action, Fault, Rule};
pub use self::hostile::Hostile;
pub use self::journal::{Change, Journal};
use self::listen::{Listener, Speaker};
use self::state::State;
pub use self::state::{Hold, Outage};
pub use self::trap::{Moment, Sprung, Trap, Which};
use self::under_way::Thing;
use self::upstream::Upstream;
use crate::certificates::Leaf;
use crate::error::Result;
use crate::tls;

/// Where the proxy stands.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where it listens. Port 0: any that is free.
    pub listen: SocketAddr,
    /// Who it is.
    pub leaf: &'a Leaf,
    /// Where that listens which is behind it.
    pub upstream: SocketAddr,
    /// Who vouches for that.
    pub authority: &'a Path,
}

/// A running proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one before a vCenter.
    pub async fn start(setup: Setup<'_>) -> Result<Self> {
        let upstream = Upstream {
            address: setup.upstream,
            tls: tls::connector(setup.authority)?,
        };
        let speaker = forward::Soap(Arc::new(upstream));
        Self::listen(setup.listen, tls::acceptor(setup.leaf)?, speaker).await
    }

    /// Starts one before a driver, which takes it for this client.
    pub async fn start_for_rpcs(setup: Setup<'_>, client: &Leaf) -> Result<Self> {
        let upstream = Upstream {
            address: setup.upstream,
            tls: tls::http2_connector(setup.authority, client)?,
        };
        let speaker = rpc::Rpcs(Arc::new(upstream));
        Self::listen(setup.listen, tls::http2_acceptor(setup.leaf)?, speaker).await
    }

    async fn listen(
        listen: SocketAddr,
        tls: tokio_rustls::TlsAcceptor,
        speaker: impl Speaker,
    ) -> Result<Self> {
        let state = Arc::new(State::default());
        let listener = Listener {
            tls,
            speaker,
            state: Arc::clone(&state),
        };
        let (address, task) = listener.start(listen).await?;
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted since the start or the last [`Proxy::reset`].
    pub fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// Begins counting anew.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// The calls since then that change something.
    pub fn journal(&self) -> Journal {
        self.state.journal()
    }

    /// Does `spring` at a certain call, before anything else happens to any call, and lets that
    /// call be lost. A trap takes the place of one that was set before.
    pub fn trap(
        &self,
        trap: Trap,
        spring: impl FnOnce() + Send + 'static,
    ) -> oneshot::Receiver<Sprung> {
        self.state.set_trap(trap, Box::new(spring))
    }

    /// Breaks calls from now on, as `fault` says. Returns its number.
    pub fn add(&self, fault: Fault) -> u64 {
        self.state.add(fault)
    }

    /// All rules, with how often each has acted.
    pub fn rules(&self) -> Vec<Rule> {
        self.state.rules()
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.state.clear();
    }

    /// Makes that disappear which is behind it, or come back.
    pub fn outage(&self, outage: Outage) {
        self.state.set_outage(outage);
    }

    /// Delays each call from now on.
    pub fn delay(&self, delay: Duration) {
        self.state.set_delay(delay);
    }

    /// Waits until `method` was called at least `times` times since the last reset.
    pub async fn seen(&self, method: &str, times: u64) {
        self.state
            .until(|counts| counts.of(method).calls >= times)
            .await;
    }

    /// Waits until vCenter answered `method` at least `times` times since the last reset.
    pub async fn answered(&self, method: &str, times: u64) {
        self.state
            .until(|counts| counts.of(method).answers >= times)
            .await;
    }

    /// Waits until vCenter answered more than `answers` calls since the last reset.
    pub async fn answered_more_than(&self, answers: u64) {
        self.state.until(|counts| counts.answers() > answers).await;
    }

    /// Waits until a call of `method` was passed on that vCenter has not answered yet.
    pub async fn under_way(&self, method: &str) {
        let call = Thing::Call(method.to_owned());
        self.state.under_way.some(&call).await;
    }

    /// Waits until nobody is connected, and vCenter has answered each call of `method` that was
    /// passed on: of clients that were killed, no such call comes after this.
    pub async fn left(&self, method: &str) {
        let call = Thing::Call(method.to_owned());
        self.state.under_way.none(&[Thing::Client, call]).await;
    }

    /// How many answers to `method` vCenter gave that no client got, since the start or the last
    /// [`Proxy::forget_lost`].
    pub fn lost(&self, method: &str) -> u64 {
        self.state.lost(method)
    }

    /// What was lost so far has no consequences any more.
    pub fn forget_lost(&self) {
        self.state.forget_lost();
    }

    /// Holds each call of `method` before it reaches vCenter, until the hold is dropped.
    pub fn hold(&self, method: &str) -> Hold {
        State::hold(&self.state, method)
    }

    /// Serves [`control`] at a loopback port, and returns its address.
    pub async fn serve_control(&self, address: SocketAddr) -> Result<SocketAddr> {
        control::serve(Arc::clone(&self.state), address).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        // The connections live in tasks of their own.
        self.state.set_outage(Outage::Refused);
    }
}
