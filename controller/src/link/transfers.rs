//! How a link follows the ISOs of its vCenter, once somebody has one fetched.

use super::session::{SILENCE, Session, next, silent};
use crate::{
    driver::{Driver, Fault, IsoEvent, On},
    retry,
};
use futures::FutureExt as _;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// What is to be done first may be done already; a stream that breaks at once is still not opened in a loop.
const LEAST: Duration = Duration::from_secs(1);

impl<D: Driver> Session<D> {
    /// Follows the ISOs of the vCenter, whichever that is. Never returns.
    pub(super) async fn follow_isos(&self) {
        let mut followed = self.link.followed.subscribe();
        loop {
            let vcenter = followed.borrow_and_update().clone();
            let following = match &vcenter {
                Some(vcenter) => self.follow_isos_of(vcenter).boxed(),
                None => std::future::pending().boxed(),
            };
            tokio::select! {
                biased;
                changed = followed.changed() => if changed.is_err() { return },
                () = following => {}
            }
        }
    }

    /// Follows them through broken streams.
    async fn follow_isos_of(&self, vcenter: &str) {
        let mut failures = 0;
        loop {
            let fault = self.stream_isos(vcenter, &mut failures).await;
            self.link.doubt_isos();
            failures += 1;
            let (reason, problem) = (fault.word, &fault.message);
            tracing::warn!(reason, problem, "Watch of ISOs broken");
            let pause = retry::delay(&fault, failures, retry::chance());
            sleep(pause.unwrap_or(SILENCE).max(LEAST)).await;
        }
    }

    /// Takes in one stream until it ends.
    async fn stream_isos(&self, vcenter: &str, failures: &mut u32) -> Fault {
        let on = On {
            caller: &self.caller,
            vcenter,
        };
        let opened = timeout(SILENCE, self.driver.watch_isos(on)).await;
        let mut events = match opened.unwrap_or_else(|_| Err(silent())) {
            Ok(events) => events,
            Err(fault) => return fault,
        };
        loop {
            match next(&mut events).await {
                Ok(event) => self.take_isos(event),
                Err(fault) => return fault,
            }
            *failures = 0;
        }
    }

    fn take_isos(&self, event: IsoEvent) {
        self.link.change(|inner| inner.isos.take(event));
    }
}
