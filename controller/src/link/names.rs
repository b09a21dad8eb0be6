//! Which names of vCenters are in use: links with the same credential share one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many links use each name.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, usize>>);

// === impl Names ===

impl Names {
    /// One more uses it.
    pub(super) fn take(&self, name: &str) {
        *self.lock().entry(name.to_owned()).or_default() += 1;
    }

    /// One fewer uses it; whether it was the last.
    pub(super) fn give_up(&self, name: &str) -> bool {
        let mut names = self.lock();
        let left = names.get(name).map_or(0, |users| users.saturating_sub(1));
        if left == 0 {
            names.remove(name);
        } else {
            names.insert(name.to_owned(), left);
        }
        left == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_user_gives_a_name_up() {
        let names = Names::default();
        names.take("vc");
        names.take("vc");
        assert!(!names.give_up("vc"));
        assert!(names.give_up("vc"));
        assert!(names.give_up("vc"), "nobody ever used it");
    }
}
