//! What is known of all objects of one kind. Pure.

use super::gap::Gap;
use crate::kinds::{Foreign, View};
use jiff::Timestamp;
use kube::runtime::watcher::Event;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Whether the objects of a kind can be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// They are being read for the first time.
    #[default]
    Syncing,
    /// The hub does not have the kind, or is about to have it no more.
    Missing,
    /// All of them are known.
    Live,
    /// They cannot be read, for this reason.
    Unreadable(String),
}

/// Namespace and name.
pub(super) type Key = (String, String);

/// What is known of all objects of one kind.
#[derive(Debug)]
pub(super) struct Shelf<S: Foreign>(Mutex<Contents<S>>);

/// What a shelf holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents<S: Foreign> {
    availability: Availability,
    objects: BTreeMap<Key, Arc<View<S>>>,
    /// What was listed so far, while a new list comes in.
    listed: Option<BTreeMap<Key, Arc<View<S>>>>,
    gap: Gap,
}

// === impl Shelf ===

impl<S: Foreign> Default for Shelf<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Foreign> Shelf<S> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Contents<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Contents ===

impl<S: Foreign> Default for Contents<S> {
    fn default() -> Self {
        Self {
            availability: Availability::default(),
            objects: BTreeMap::new(),
            listed: None,
            gap: Gap::default(),
        }
    }
}

impl<S: Foreign> Contents<S> {
    pub(super) fn availability(&self) -> &Availability {
        &self.availability
    }

    /// The kind is so from now on; whether it was not before. What cannot be looked at is forgotten.
    pub(super) fn turn(&mut self, availability: Availability) -> bool {
        if availability != Availability::Live {
            self.objects.clear();
            self.listed = None;
        }
        let turned = self.availability != availability;
        self.availability = availability;
        turned
    }

    /// What the time is, after anything may have changed.
    pub(super) fn clock(&mut self, now: Timestamp) {
        self.gap.note(self.availability == Availability::Live, now);
    }

    /// Since when they are looked at again, if nobody could for long.
    pub(super) fn seen_since(&self) -> Option<Timestamp> {
        self.gap.ended()
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<View<S>>> {
        self.objects
            .get(&(namespace.to_owned(), name.to_owned()))
            .cloned()
    }

    /// All objects, or those of one namespace.
    pub(super) fn within(&self, namespace: Option<&str>) -> impl Iterator<Item = &Arc<View<S>>> {
        let first = (namespace.unwrap_or_default().to_owned(), String::new());
        self.objects
            .range(first..)
            .take_while(move |((found, _), _)| namespace.is_none_or(|wanted| wanted == found))
            .map(|(_, object)| object)
    }

    /// Takes in what was told, and says which objects look different since.
    pub(super) fn apply(&mut self, event: Event<View<S>>) -> Vec<Key> {
        match event {
            Event::Init => self.listed = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                let (key, object) = keyed(object);
                self.listed
                    .get_or_insert_default()
                    .insert(key, Arc::new(object));
            }
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                self.availability = Availability::Live;
                let old = std::mem::replace(&mut self.objects, listed);
                return differences(&old, &self.objects);
            }
            Event::Apply(object) => {
                let (key, object) = keyed(object);
                let same = self.objects.get(&key).is_some_and(|old| **old == object);
                // Its version is another one all the same, and the one to write on condition of.
                self.objects.insert(key.clone(), Arc::new(object));
                if !same {
                    return vec![key];
                }
            }
            Event::Delete(object) => {
                let (key, _) = keyed(object);
                if self.objects.remove(&key).is_some() {
                    return vec![key];
                }
            }
        }
        Vec::new()
    }

    /// Whether this takes something away from what is there: it is being deleted, or gone.
    pub(super) fn takes_away(&self, event: &Event<View<S>>) -> bool {
        match event {
            Event::Init | Event::InitApply(_) => false,
            // What is not in the list is gone.
            Event::InitDone | Event::Delete(_) => true,
            Event::Apply(object) => {
                let key = (object.meta.namespace.clone(), object.meta.name.clone());
                let known = self.objects.get(&key).is_some_and(|old| old.meta.deleting);
                object.meta.deleting && !known
            }
        }
    }
}

fn keyed<S: Foreign>(object: View<S>) -> (Key, View<S>) {
    let key = (object.meta.namespace.clone(), object.meta.name.clone());
    (key, object)
}

fn differences<S: Foreign>(
    old: &BTreeMap<Key, Arc<View<S>>>,
    new: &BTreeMap<Key, Arc<View<S>>>,
) -> Vec<Key> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let other = new
        .iter()
        .filter(|(key, object)| old.get(*key) != Some(object));
    gone.chain(other.map(|(key, _)| key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{
        Version,
        node_pool::{NodePool, NodePoolSpec},
    };

    fn pool(name: &str, replicas: i32) -> NodePool {
        let mut pool = NodePool::default();
        pool.meta.namespace = "clusters".into();
        pool.meta.name = name.into();
        pool.spec.replicas = Some(replicas);
        pool
    }

    fn filled(pools: &[(&str, i32)]) -> Contents<NodePoolSpec> {
        let mut shelf = Contents::default();
        shelf.apply(Event::Init);
        for (name, replicas) in pools {
            shelf.apply(Event::InitApply(pool(name, *replicas)));
        }
        shelf.apply(Event::InitDone);
        shelf
    }

    fn names(keys: Vec<Key>) -> Vec<String> {
        keys.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn a_kind_is_live_once_its_list_is_complete() {
        let mut shelf = Contents::<NodePoolSpec>::default();
        shelf.apply(Event::Init);
        shelf.apply(Event::InitApply(pool("a", 1)));
        assert_eq!(shelf.availability(), &Availability::Syncing);
        assert_eq!(
            shelf.get("clusters", "a"),
            None,
            "half a list is not looked at"
        );
        assert_eq!(names(shelf.apply(Event::InitDone)), ["a"]);
        assert_eq!(shelf.availability(), &Availability::Live);
    }

    #[test]
    fn only_what_looks_different_is_told() {
        let mut shelf = filled(&[("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(
            names(shelf.apply(Event::Apply(pool("a", 1)))),
            Vec::<String>::new()
        );
        assert_eq!(names(shelf.apply(Event::Apply(pool("a", 2)))), ["a"]);
        assert_eq!(names(shelf.apply(Event::Delete(pool("a", 2)))), ["a"]);
        assert_eq!(
            names(shelf.apply(Event::Delete(pool("a", 2)))),
            Vec::<String>::new()
        );
        // A new list, in which one is gone, one is new and one has changed.
        shelf.apply(Event::Init);
        shelf.apply(Event::InitApply(pool("c", 2)));
        shelf.apply(Event::InitApply(pool("d", 1)));
        assert_eq!(names(shelf.apply(Event::InitDone)), ["b", "c", "d"]);
    }

    #[test]
    fn the_last_version_is_kept_though_nothing_else_of_it_is_new() {
        let mut shelf = filled(&[("a", 1)]);
        let mut touched = pool("a", 1);
        touched.meta.version = Version("2".into());
        assert_eq!(shelf.apply(Event::Apply(touched)), []);
        let kept = shelf.get("clusters", "a").unwrap();
        assert_eq!(kept.meta.version.0, "2");
    }

    #[test]
    fn until_a_new_list_is_complete_the_old_one_is_looked_at() {
        let mut shelf = filled(&[("a", 1)]);
        shelf.apply(Event::Init);
        assert!(shelf.get("clusters", "a").is_some());
        assert_eq!(shelf.availability(), &Availability::Live);
    }

    #[test]
    fn what_cannot_be_looked_at_any_more_is_forgotten() {
        let mut shelf = filled(&[("a", 1)]);
        assert!(shelf.turn(Availability::Missing));
        assert!(!shelf.turn(Availability::Missing));
        assert_eq!(shelf.get("clusters", "a"), None);
    }

    #[test]
    fn a_namespace_is_looked_at_without_its_neighbours() {
        let mut shelf = filled(&[("a", 1), ("b", 1)]);
        let mut other = pool("x", 1);
        other.meta.namespace = "clusters-2".into();
        shelf.apply(Event::Apply(other));
        assert_eq!(shelf.within(Some("clusters")).count(), 2);
        assert_eq!(shelf.within(Some("clusters-2")).count(), 1);
        assert_eq!(shelf.within(None).count(), 3);
        assert_eq!(shelf.within(Some("cluster")).count(), 0);
    }

    #[test]
    fn what_takes_something_away_is_told_apart() {
        let shelf = filled(&[("a", 1)]);
        let mut deleting = pool("a", 1);
        deleting.meta.deleting = true;
        for (event, away) in [
            (Event::Init, false),
            (Event::InitApply(pool("a", 1)), false),
            (Event::Apply(pool("a", 0)), false),
            (Event::Apply(deleting.clone()), true),
            (Event::Delete(pool("a", 1)), true),
            (Event::InitDone, true),
        ] {
            assert_eq!(shelf.takes_away(&event), away, "{event:?}");
        }
        let mut shelf = shelf;
        shelf.apply(Event::Apply(deleting.clone()));
        assert!(!shelf.takes_away(&Event::Apply(deleting)), "told before");
    }
}
