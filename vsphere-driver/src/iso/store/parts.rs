//! Names of the parts that are being written: nobody takes those for something left behind.

use crate::iso::name::{self, Label};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// Parts that are being written, whichever name their vCenter goes by.
#[derive(Debug, Default)]
pub struct Parts {
    written: Arc<Mutex<BTreeSet<String>>>,
}

/// A part that is being written, until this is dropped.
#[derive(Debug)]
pub struct Part {
    name: String,
    written: Arc<Mutex<BTreeSet<String>>>,
}

// === impl Parts ===

impl Parts {
    /// A part that nobody else writes.
    pub fn begin(&self, label: &Label) -> Part {
        let attempt = Uuid::new_v4().simple().to_string();
        let name = name::part(label, &attempt);
        let written = Arc::clone(&self.written);
        lock(&written).insert(name.clone());
        Part { name, written }
    }

    /// Whether a part is being written by this driver.
    pub fn is_written(&self, part: &str) -> bool {
        lock(&self.written).contains(part)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Part ===

impl Part {
    /// Its name in the folder.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        lock(&self.written).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_written_until_its_writer_is_gone() {
        let parts = Parts::default();
        let label = Label::parse("a").expect("good");
        let (one, other) = (parts.begin(&label), parts.begin(&label));
        assert_ne!(one.name(), other.name());
        let name = one.name().to_owned();
        assert!(parts.is_written(&name));
        drop(one);
        assert!(!parts.is_written(&name) && parts.is_written(other.name()));
    }
}
