//! A log of what changed, from which any number of readers catch up at their own pace.
//!
//! For each thing only its latest change is kept: a slow reader sees the newest state, not each step.
//! What is gone leaves a tombstone behind; when there are too many, the oldest are dropped, and readers
//! that have not come that far begin anew.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

/// Tombstones that are kept.
const TOMBSTONES: usize = 20_000;

/// Changes of things named by `Id`; `Tombstone` is what is left to say of one that is gone.
#[derive(Debug)]
pub struct Changes<Id, Tombstone> {
    last: u64,
    /// A reader that has read less than this has missed a tombstone.
    floor: u64,
    // Each id is held once, however many of these it is in: there are thousands, of a hundred bytes.
    latest: HashMap<Arc<Id>, u64>,
    order: BTreeMap<u64, Arc<Id>>,
    tombstones: HashMap<Arc<Id>, Tombstone>,
    buried: VecDeque<(u64, Arc<Id>)>,
}

/// One thing that changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a, Id, Tombstone> {
    /// It is new or changed.
    Present(&'a Id),
    /// It is gone.
    Gone(&'a Tombstone),
}

impl<Id: Clone + Eq + Hash, Tombstone> Default for Changes<Id, Tombstone> {
    fn default() -> Self {
        Self {
            last: 0,
            floor: 0,
            latest: HashMap::new(),
            order: BTreeMap::new(),
            tombstones: HashMap::new(),
            buried: VecDeque::new(),
        }
    }
}

impl<Id: Clone + Eq + Hash, Tombstone> Changes<Id, Tombstone> {
    /// The number of the last change.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many things are remembered with their last change.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing ever changed.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The number of a thing's last change; 0 if it never changed.
    pub fn revision(&self, id: &Id) -> u64 {
        self.latest.get(id).copied().unwrap_or_default()
    }

    /// Notes that a thing is new or changed.
    pub fn touch(&mut self, id: &Id) {
        self.tombstones.remove(id);
        self.number(id);
    }

    /// Notes that a thing is gone; `tombstone` is given the number of the change.
    pub fn bury(&mut self, id: &Id, tombstone: impl FnOnce(u64) -> Tombstone) {
        let (number, id) = self.number(id);
        self.tombstones.insert(Arc::clone(&id), tombstone(number));
        self.buried.push_back((number, id));
        while self.buried.len() > TOMBSTONES {
            self.drop_oldest();
        }
    }

    /// What changed after number `after`, at most `most` things, each with its number; nothing when the
    /// reader missed something and must begin anew.
    pub fn since(&self, after: u64, most: usize) -> Option<Vec<(u64, Change<'_, Id, Tombstone>)>> {
        if after < self.floor || after > self.last {
            return None;
        }
        let changed = self.order.range(after + 1..).take(most);
        Some(
            changed
                .map(|(number, id)| (*number, self.change(id)))
                .collect(),
        )
    }

    fn change<'a>(&'a self, id: &'a Id) -> Change<'a, Id, Tombstone> {
        self.tombstones
            .get(id)
            .map_or(Change::Present(id), Change::Gone)
    }

    fn number(&mut self, id: &Id) -> (u64, Arc<Id>) {
        self.last += 1;
        let id = match self.latest.get_mut(id) {
            Some(number) => {
                let before = std::mem::replace(number, self.last);
                self.order.remove(&before)
            }
            None => None,
        }
        .unwrap_or_else(|| {
            let id = Arc::new(id.clone());
            self.latest.insert(Arc::clone(&id), self.last);
            id
        });
        self.order.insert(self.last, Arc::clone(&id));
        (self.last, id)
    }

    fn drop_oldest(&mut self) {
        let Some((number, id)) = self.buried.pop_front() else {
            return;
        };
        // A thing that came back, or was buried again, has a later number.
        if self.latest.get(&id) == Some(&number) {
            self.latest.remove(&id);
            self.order.remove(&number);
            self.tombstones.remove(&id);
            self.floor = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Changes<&'static str, u64> {
        Changes::default()
    }

    #[test]
    fn a_reader_sees_the_latest_change_of_each_thing_once() {
        let mut changes = changes();
        for id in ["a", "b", "a"] {
            changes.touch(&id);
        }
        let all = vec![(2, Change::Present(&"b")), (3, Change::Present(&"a"))];
        assert_eq!(changes.since(0, 9), Some(all));
        assert_eq!(changes.since(2, 9), Some(vec![(3, Change::Present(&"a"))]));
        assert_eq!(changes.since(3, 9), Some(vec![]));
    }

    #[test]
    fn what_is_gone_is_told_until_it_comes_back() {
        let mut changes = changes();
        changes.touch(&"a");
        changes.bury(&"a", |number| number);
        assert_eq!(changes.since(1, 9), Some(vec![(2, Change::Gone(&2))]));
        changes.touch(&"a");
        assert_eq!(changes.since(1, 9), Some(vec![(3, Change::Present(&"a"))]));
    }

    #[test]
    fn a_reader_that_missed_a_tombstone_begins_anew() {
        let mut changes = Changes::<usize, u64>::default();
        for id in 0..=TOMBSTONES {
            changes.bury(&id, |number| number);
        }
        assert_eq!(changes.since(0, 9), None);
        assert!(changes.since(1, 9).is_some());
    }

    #[test]
    fn a_number_from_another_run_begins_anew() {
        assert_eq!(changes().since(7, 9), None);
    }
}
