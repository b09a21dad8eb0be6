//! Who is connected, and which calls vCenter has not answered yet: what a client that is gone has left
//! behind is seen to arrive.

use std::collections::HashMap;

use tokio::sync::watch;

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    /// A client is connected.
    Client,
    /// A call of this method was passed on.
    Call(String),
}

/// Counts what is under way.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(watch::Sender<HashMap<Thing, usize>>);

/// Something is under way while this lives.
#[derive(Debug)]
pub(super) struct Begun {
    of: UnderWay,
    thing: Thing,
}

// === impl UnderWay ===

impl UnderWay {
    /// From now on this is under way.
    pub(super) fn begin(&self, thing: Thing) -> Begun {
        self.0
            .send_modify(|counts| *counts.entry(thing.clone()).or_default() += 1);
        Begun {
            of: self.clone(),
            thing,
        }
    }

    /// Returns as soon as something of this is under way.
    pub(super) async fn some(&self, thing: &Thing) {
        self.until(|counts| counts.contains_key(thing)).await;
    }

    /// Returns as soon as nothing of all these is under way.
    pub(super) async fn none(&self, things: &[Thing]) {
        self.until(|counts| things.iter().all(|thing| !counts.contains_key(thing)))
            .await;
    }

    async fn until(&self, reached: impl FnMut(&HashMap<Thing, usize>) -> bool) {
        // It fails when nobody counts any more: this does.
        let _ = self.0.subscribe().wait_for(reached).await;
    }

    fn end(&self, thing: &Thing) {
        self.0.send_modify(|counts| {
            if let Some(count) = counts.get_mut(thing) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(thing);
                }
            }
        });
    }
}

// === impl Begun ===

impl Drop for Begun {
    fn drop(&mut self) {
        self.of.end(&self.thing);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn nothing_is_under_way_only_when_all_of_it_has_ended() {
        let under_way = UnderWay::default();
        let things = [Thing::Client, Thing::Call("Login".to_owned())];
        let none = || under_way.none(&things).now_or_never().is_some();
        assert!(none());
        let client = under_way.begin(Thing::Client);
        let logins = [(); 2].map(|()| under_way.begin(things[1].clone()));
        let _other = under_way.begin(Thing::Call("WaitForUpdatesEx".to_owned()));
        assert!(!none());
        drop(client);
        assert!(!none(), "logins are still to be answered");
        let [first, second] = logins;
        drop(first);
        assert!(!none(), "and one of them still is");
        drop(second);
        assert!(none(), "other calls are of no concern");
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_end() {
        let under_way = UnderWay::default();
        let client = under_way.begin(Thing::Client);
        let waiting = [Thing::Client];
        let mut none = std::pin::pin!(under_way.none(&waiting));
        assert!(none.as_mut().now_or_never().is_none());
        drop(client);
        none.await;
    }
}
