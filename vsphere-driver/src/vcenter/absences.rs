//! Machines that this run of the driver saw go, and how that is known.

use contract::{identity::MachineKey, v1::Absence};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// As many as a watch tells of. An older one is proved anew when somebody asks for it.
pub const MOST: usize = 20_000;

/// The latest of them.
#[derive(Debug, Default)]
pub struct Absences {
    by_key: HashMap<Arc<MachineKey>, Absence>,
    order: VecDeque<Arc<MachineKey>>,
}

// === impl Absences ===

impl Absences {
    /// How it is known that the machine of this key is gone.
    pub fn get(&self, key: &MachineKey) -> Option<Absence> {
        self.by_key.get(key).copied()
    }

    /// Whether it is known that the machine of this key is gone.
    pub fn contains_key(&self, key: &MachineKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// The machine of this key is gone.
    pub fn put(&mut self, key: &MachineKey, absence: Absence) {
        if let Some(known) = self.by_key.get_mut(key) {
            *known = absence;
            return;
        }
        let key = Arc::new(key.clone());
        self.by_key.insert(Arc::clone(&key), absence);
        self.order.push_back(key);
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }

    /// There may be one again.
    pub fn remove(&mut self, key: &MachineKey) {
        if self.by_key.remove(key).is_some() {
            // Seldom: a machine that is made anew under the number of one that went.
            self.order.retain(|other| **other != *key);
        }
    }
}
