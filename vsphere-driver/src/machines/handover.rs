//! Machines that change hands where they stand: adopted, or given up.
//!
//! Nothing of a machine is changed but its mark, its instance UUID and the companion's tag.

pub mod adopt;
pub mod release;
pub mod run;

use super::{
    mark::{COMPANION, KEYS},
    vm::Vm,
};
use crate::soap::reconfigure::Reconfiguration;
use contract::v1::PropertyChange;
use uuid::Uuid;

const INSTANCE_UUID: &str = "instanceUuid";

/// What a machine shall bear when it has changed hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearing {
    /// Its instance UUID. `None`: the one that it has.
    pub instance_uuid: Option<Uuid>,
    /// Values of our mark's keys and of the companion's tag; an empty one is taken off.
    pub marks: Vec<(String, String)>,
}

// === impl Bearing ===

impl Bearing {
    /// What has to be changed of a machine for it.
    pub fn changes(&self, vm: &Vm) -> Vec<PropertyChange> {
        let uuid = self.instance_uuid.map(|after| {
            let before = vm.instance_uuid.map(|uuid| uuid.to_string());
            (
                INSTANCE_UUID.to_owned(),
                before.unwrap_or_default(),
                after.to_string(),
            )
        });
        let marks = self.marks.iter().map(|(key, after)| {
            let property = format!("extraConfig[\"{key}\"]");
            (property, worn(vm, key).to_owned(), after.clone())
        });
        let all = uuid.into_iter().chain(marks);
        all.filter(|(_, before, after)| before != after)
            .map(|(property, before, after)| PropertyChange {
                property,
                before,
                after,
            })
            .collect()
    }

    /// Whether the machine bears all of it.
    pub fn is_borne(&self, vm: &Vm) -> bool {
        self.changes(vm).is_empty()
    }

    /// The one call that does it, resting on this version of the machine.
    fn reconfiguration(&self, vm: &Vm, change_version: String) -> Reconfiguration {
        let differs = |(key, value): &&(String, String)| worn(vm, key) != value;
        let uuid = self.instance_uuid;
        Reconfiguration {
            change_version,
            instance_uuid: uuid
                .filter(|uuid| vm.instance_uuid != Some(*uuid))
                .map(|uuid| uuid.to_string()),
            extra_config: self.marks.iter().filter(differs).cloned().collect(),
            ..Reconfiguration::default()
        }
    }
}

/// What a machine bears under a key of our mark, or as the companion's tag.
fn worn<'a>(vm: &'a Vm, key: &str) -> &'a str {
    if key == COMPANION {
        return &vm.companion;
    }
    let index = KEYS.iter().position(|known| *known == key);
    let value = index.and_then(|index| vm.mark.as_ref()?.values.get(index));
    value.map(String::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::vm::fixtures::{key, ours};

    #[test]
    fn only_what_differs_is_changed() {
        let vm = ours(1, "h");
        let mark = vm.mark().expect("ours");
        let mut bearing = Bearing {
            instance_uuid: Some(key(1).instance_uuid()),
            marks: mark.extra_config(),
        };
        assert!(bearing.is_borne(&vm));
        bearing.marks.push((COMPANION.into(), "ns/pool".into()));
        let change = PropertyChange {
            property: format!("extraConfig[\"{COMPANION}\"]"),
            before: String::new(),
            after: "ns/pool".into(),
        };
        assert_eq!(bearing.changes(&vm), [change]);
        let call = Reconfiguration {
            change_version: "7".into(),
            extra_config: vec![(COMPANION.into(), "ns/pool".into())],
            ..Reconfiguration::default()
        };
        assert_eq!(bearing.reconfiguration(&vm, "7".into()), call);
    }

    #[test]
    fn one_call_writes_uuid_and_mark_of_a_machine_that_bears_neither() {
        let bearing = Bearing {
            instance_uuid: Some(key(1).instance_uuid()),
            marks: ours(1, "h").mark().expect("ours").extra_config(),
        };
        let bare = Vm::default();
        assert_eq!(bearing.changes(&bare).len(), 1 + KEYS.len());
        let call = bearing.reconfiguration(&bare, String::new());
        assert_eq!(call.instance_uuid, Some(key(1).instance_uuid().to_string()));
        assert_eq!(call.extra_config, bearing.marks);
    }
}
