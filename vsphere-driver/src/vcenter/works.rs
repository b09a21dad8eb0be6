//! The work on all machines, with a count of what goes on.

use crate::machines::work::{Load, Work};
use std::{collections::HashMap, hash::Hash, ops::Add};

/// What is done, or was last done, to each machine, by what the machines are known by.
#[derive(Debug)]
pub struct Works<K> {
    // Boxed: a table is up to twice as large as what is in it.
    all: HashMap<K, Box<Work>>,
    running: Running,
}

/// How many machines are being worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Running {
    makes: usize,
    removals: usize,
}

// === impl Works ===

impl<K> Default for Works<K> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            running: Running::default(),
        }
    }
}

impl<K: Clone + Eq + Hash> Works<K> {
    /// The work on one machine.
    pub fn get(&self, key: &K) -> Option<&Work> {
        self.all.get(key).map(AsRef::as_ref)
    }

    /// All work that goes on or was last done.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Work)> {
        self.all.iter().map(|(key, work)| (key, work.as_ref()))
    }

    /// How much goes on.
    pub fn running(&self) -> Running {
        self.running
    }

    /// Puts work in the place of what was done before.
    pub fn put(&mut self, key: &K, work: Work) {
        self.running.count_in(work.load());
        if let Some(before) = self.all.insert(key.clone(), Box::new(work)) {
            self.running.count_out(before.load());
        }
    }

    /// Changes the work on a machine; says whether there is any.
    pub fn change(&mut self, key: &K, change: impl FnOnce(&mut Work)) -> bool {
        let Some(work) = self.all.get_mut(key) else {
            return false;
        };
        self.running.count_out(work.load());
        change(work);
        self.running.count_in(work.load());
        true
    }

    /// Forgets the work on a machine.
    pub fn remove(&mut self, key: &K) {
        if let Some(work) = self.all.remove(key) {
            self.running.count_out(work.load());
        }
    }
}

// === impl Running ===

impl Add for Running {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            makes: self.makes + other.makes,
            removals: self.removals + other.removals,
        }
    }
}

impl Running {
    /// Machines that are worked on.
    pub fn all(self) -> usize {
        self.makes + self.removals
    }

    /// Those whose work is of this kind.
    pub fn of(self, load: Load) -> usize {
        match load {
            Load::Make => self.makes,
            Load::Remove => self.removals,
        }
    }

    fn count_in(&mut self, load: Option<Load>) {
        if let Some(count) = self.count(load) {
            *count += 1;
        }
    }

    fn count_out(&mut self, load: Option<Load>) {
        if let Some(count) = self.count(load) {
            *count -= 1;
        }
    }

    fn count(&mut self, load: Option<Load>) -> Option<&mut usize> {
        Some(match load? {
            Load::Make => &mut self.makes,
            Load::Remove => &mut self.removals,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{vm::fixtures::key, work::fixtures::queued};
    use contract::v1::Verb;
    use prost_types::Timestamp;

    #[test]
    fn what_goes_on_is_counted_by_its_kind_until_it_ends_or_is_forgotten() {
        let mut works = Works::default();
        let seen = |works: &Works<_>| {
            let running = works.running();
            [running.of(Load::Make), running.of(Load::Remove)]
        };
        works.put(&key(1), queued(Verb::Create));
        works.put(&key(2), queued(Verb::Create));
        assert_eq!(seen(&works), [2, 0]);
        works.change(&key(1), |work| work.step(Verb::PowerOn));
        assert_eq!(seen(&works), [2, 0]);
        works.put(&key(1), queued(Verb::Delete));
        assert_eq!(seen(&works), [1, 1]);
        works.change(&key(1), |work| work.succeed(Timestamp::default()));
        assert_eq!(seen(&works), [1, 0]);
        works.remove(&key(1));
        works.remove(&key(2));
        assert_eq!((seen(&works), works.iter().count()), ([0, 0], 0));
        assert!(!works.change(&key(2), |_| {}));
    }
}
