//! The part of a view that concerns one owner.

use crate::driver::{Machine, Ownership};
use contract::identity::MachineKey;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The part of a view that concerns one owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerView {
    /// Machines that are or shall be the owner's, by slot.
    pub machines: BTreeMap<i32, Arc<Machine>>,
    /// Slots proved to hold no machine.
    pub gone: BTreeSet<i32>,
    /// Names of machines that bear a mark of the owner, but are copies.
    pub copies: BTreeSet<String>,
    /// Names of machines that the companion made for the owner.
    pub companions: BTreeSet<String>,
    /// Names of machines that bear the companion's tag for the owner, and nothing else speaks for it.
    pub doubtful: BTreeSet<String>,
    /// Machines that may become the owner's, by managed object id: the companion's, and those of an owner of
    /// the same name that is no more.
    pub adoptable: BTreeMap<String, Arc<Machine>>,
}

// === impl OwnerView ===

impl OwnerView {
    /// The machine of this slot, if it is seen.
    pub fn machine(&self, slot: i32) -> Option<&Machine> {
        self.machines.get(&slot).map(AsRef::as_ref)
    }

    /// Passes over machines of the companion that are not credible.
    pub(crate) fn doubt(&mut self, is_credible: impl Fn(&Machine) -> bool) {
        let doubtful = self.adoptable.extract_if(.., |_, machine| {
            machine.ownership == Ownership::Companion && !is_credible(machine)
        });
        for (_, machine) in doubtful {
            self.companions.remove(&machine.name);
            self.doubtful.insert(machine.name.clone());
        }
    }

    pub(super) fn add_other(&mut self, machine: &Machine, owner_uid: &str, template: &str) {
        let marked = |key: &MachineKey| key.owner_uid == owner_uid;
        match machine.ownership {
            Ownership::Copy if machine.key.as_ref().is_some_and(marked) => {
                self.copies.insert(machine.name.clone());
            }
            Ownership::Companion if machine.companion_template == template => {
                self.companions.insert(machine.name.clone());
                self.add_adoptable(machine);
            }
            Ownership::Ours | Ownership::Copy | Ownership::Companion | Ownership::Foreign => {}
        }
    }

    pub(super) fn add_adoptable(&mut self, machine: &Machine) {
        if machine.exists() {
            let machine = Arc::new(machine.clone());
            self.adoptable.insert(machine.moref.clone(), machine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{driver::State, fixtures::machine};

    #[test]
    fn a_machine_of_the_companion_that_is_not_credible_is_passed_over_and_a_former_one_is_not() {
        let of_companion = |number| Machine {
            ownership: Ownership::Companion,
            companion_template: "clusters/pool".into(),
            ..machine(number, State::Running)
        };
        let mut view = OwnerView::default();
        for number in [1, 2] {
            view.add_other(&of_companion(number), "owner", "clusters/pool");
        }
        view.add_adoptable(&machine(3, State::Running));
        view.doubt(|machine| machine.name == "pool-n01");
        let left: Vec<_> = view.adoptable.keys().map(String::as_str).collect();
        assert_eq!(left, ["vm-1", "vm-3"]);
        assert_eq!(view.companions, ["pool-n01".to_owned()].into());
        assert_eq!(view.doubtful, ["pool-n02".to_owned()].into());
    }
}
