//! Kills at the planned points: set, waited for, and recovered from.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use lab::proxy::{Moment, Outage, Proxy, Sprung, Which};
use serde::Serialize;
use tokio::sync::oneshot;

use super::{PATIENCE, Player};
use crate::commands::crash::plan::{Kill, Point, Victim, Wire};

/// A kill that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::commands::crash) struct Killed {
    process: Victim,
    #[serde(flatten)]
    at: At,
}

/// Where it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum At {
    Call {
        wire: Wire,
        which: Which,
        moment: Moment,
        at_call: u64,
        method: String,
    },
    Byte {
        at_byte: u64,
    },
}

/// A kill that is waited for.
pub(super) enum Coming {
    Call(oneshot::Receiver<Sprung>),
    Byte,
}

// === impl Player ===

impl Player {
    /// Sets the trap of a kill.
    pub(super) fn arm(&mut self, kill: &Kill) -> anyhow::Result<Coming> {
        match kill.at {
            Point::Call { wire, trap } => {
                let kill = self.killer(kill.victim)?;
                Ok(Coming::Call(self.wire(wire)?.trap(trap, kill)))
            }
            Point::Byte(byte) => {
                self.library.stall(byte);
                Ok(Coming::Byte)
            }
        }
    }

    fn killer(&self, victim: Victim) -> anyhow::Result<impl FnOnce() + Send + 'static> {
        let mut killers = Vec::new();
        if victim.is_driver() {
            killers.push(self.lab.driver()?.process()?.killer());
        }
        if victim.is_controller() {
            killers.push(self.lab.controller()?.process()?.killer());
        }
        Ok(move || killers.into_iter().for_each(|kill| kill()))
    }

    /// Waits for a kill, and checks that it is the planned one.
    pub(super) async fn seen(&self, kill: &Kill, coming: Coming) -> anyhow::Result<Killed> {
        let process = kill.victim;
        let at = match (kill.at, coming) {
            (Point::Call { wire, trap }, Coming::Call(sprung)) => {
                let sprung = tokio::time::timeout(PATIENCE, sprung).await;
                let Sprung { method, call } = sprung.context("the planned call did not come")??;
                ensure!(call == trap.nth, "call {call} is not the planned one");
                At::Call {
                    wire,
                    which: trap.which,
                    moment: trap.moment,
                    at_call: call,
                    method,
                }
            }
            (Point::Byte(at_byte), Coming::Byte) => {
                self.library.stalled().await?;
                self.killer(kill.victim)?();
                At::Byte { at_byte }
            }
            (Point::Call { .. }, Coming::Byte) | (Point::Byte(_), Coming::Call(_)) => {
                bail!("another kill is waited for than was planned")
            }
        };
        Ok(Killed { process, at })
    }

    fn wire(&self, wire: Wire) -> anyhow::Result<&Arc<Proxy>> {
        Ok(match wire {
            Wire::Soap => self.lab.proxy(),
            Wire::Rpc => self.lab.rpcs()?,
        })
    }

    /// Starts what was killed, with the trap of the next kill set before its first call.
    pub(super) async fn start_again(
        &mut self,
        kill: &Kill,
        next: Option<&Kill>,
    ) -> anyhow::Result<Option<Coming>> {
        let wire = match next.map(|next| next.at) {
            Some(Point::Call { wire, .. }) => Some(Arc::clone(self.wire(wire)?)),
            Some(Point::Byte(_)) | None => None,
        };
        if let Some(wire) = &wire {
            wire.outage(Outage::Refused);
        }
        if kill.victim.is_driver() {
            self.lab.kill_driver_with_its_sessions().await?;
            self.lab.restart_driver().await?;
        }
        if kill.victim.is_controller() {
            self.lab.restart_controller().await?;
        }
        self.library.calm();
        let coming = next.map(|next| self.arm(next)).transpose()?;
        if let Some(wire) = &wire {
            wire.outage(Outage::None);
        }
        Ok(coming)
    }
}

// === impl Killed ===

impl fmt::Display for Killed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} killed ", self.process)?;
        match &self.at {
            At::Call {
                moment,
                at_call,
                method,
                ..
            } => write!(out, "{moment:?} call {at_call} ({method})"),
            At::Byte { at_byte } => write!(out, "at byte {at_byte} of the image"),
        }
    }
}
