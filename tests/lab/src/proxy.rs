//! A proxy between the driver and vCenter that counts calls and breaks them on request.
//!
//! HTTPS on both sides; each connection of a client has one of its own to vCenter, so that what is
//! cut on one side is cut on the other.

pub mod control;
mod counts;
mod faults;
mod forward;
mod listen;
mod soap;
mod state;
mod tls;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use self::counts::{Count, Counts};
pub use self::faults::{Action, Fault, Rule};
use self::state::State;
pub use self::state::{Hold, Outage};
use crate::certificates::Leaf;
use crate::error::Result;

/// Where the proxy stands.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where it listens. Port 0: any that is free.
    pub listen: SocketAddr,
    /// Who it is.
    pub leaf: &'a Leaf,
    /// Where vCenter listens.
    pub upstream: SocketAddr,
    /// Who vouches for vCenter.
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
    /// Starts one.
    pub async fn start(setup: Setup<'_>) -> Result<Self> {
        let state = Arc::new(State::default());
        let upstream = forward::Upstream {
            address: setup.upstream,
            tls: tls::connector(setup.authority)?,
        };
        let listener = listen::Listener {
            tls: tls::acceptor(setup.leaf)?,
            upstream: Arc::new(upstream),
            state: Arc::clone(&state),
        };
        let (address, task) = listener.start(setup.listen).await?;
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

    /// Makes vCenter disappear, or come back.
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
