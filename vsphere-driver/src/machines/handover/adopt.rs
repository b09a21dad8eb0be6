//! What an adoption does for one machine. Rules.

use super::Bearing;
use crate::{
    machines::{decide, mark::Mark, vm::Vm, work::Work},
    soap::MoRef,
    vcenter::state::State,
};
use contract::{
    identity::MachineKey,
    v1::{Fault, Ownership, Reason, Verb},
};

/// One machine to adopt, and what the caller takes it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Its managed object id.
    pub moref: String,
    /// Its name.
    pub name: String,
    /// Its folder, as an inventory path.
    pub folder: String,
    /// Whose it is now.
    pub previous: Previous,
    /// The key that it gets.
    pub key: MachineKey,
}

/// Whose a machine is before it is adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Previous {
    /// The companion's, for the template `namespace/name`.
    Companion(String),
    /// Ours, under this key.
    Key(MachineKey),
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Adopt {
    /// Writes what it shall bear.
    Take(Bearing),
    /// Nothing: it is the owner's, or just becoming so.
    Keep,
    /// Finds out whether it exists: it is not in sight.
    Look,
    /// Nothing: something speaks against it. The machine that is in the way, if one is.
    Refuse(Box<Fault>, Option<MoRef>),
}

/// Decides for one machine, which shall bear this mark.
pub fn adopt(state: &State, adoption: &Adoption, mark: &Mark) -> Adopt {
    let moref = adoption.moref();
    let Some(vm) = state.vm(&moref).filter(|_| !state.is_missing(&moref)) else {
        return Adopt::Look;
    };
    if let Some((holder, _)) = state.by_key(&adoption.key)
        && *holder == moref
    {
        return Adopt::Keep;
    }
    if let Err((fault, obstacle)) = is_as_expected(state, adoption, vm) {
        return Adopt::Refuse(fault, obstacle);
    }
    match is_free(state, adoption, &moref, vm) {
        Ok(true) => Adopt::Take(bearing(mark)),
        Ok(false) => Adopt::Keep,
        Err(fault) => Adopt::Refuse(fault, None),
    }
}

/// Whether no other work on it goes on; `false` if it is just being adopted.
fn is_free(state: &State, adoption: &Adoption, moref: &MoRef, vm: &Vm) -> Result<bool, Box<Fault>> {
    let busy = |what: String| Err(Box::new(Fault::new(Reason::Busy, what)));
    if let Some(work) = state.handover(moref).filter(|work| work.is_running()) {
        if work.verb() == Verb::Adopt {
            return Ok(false);
        }
        return busy(format!("`{}` is being given up", vm.name));
    }
    let worked_on = |key: &MachineKey| state.work(key).is_some_and(Work::is_running);
    if worked_on(&adoption.key) || state.is_promised(&adoption.key) {
        return busy(format!("another machine {} is being made", adoption.key));
    }
    if matches!(&adoption.previous, Previous::Key(key) if worked_on(key)) {
        return busy(format!("other work on `{}` goes on", vm.name));
    }
    if !vm.is_accessible() {
        let what = format!("vCenter cannot read `{}`", vm.name);
        let fault = Fault::new(Reason::VmInaccessible, what);
        return Err(Box::new(fault.with("connection_state", &vm.connection)));
    }
    Ok(true)
}

/// Why a machine is not adopted, and the machine that is in the way, if one is.
pub type Refusal = (Box<Fault>, Option<MoRef>);

/// Whether a machine is what the caller takes it for, and no other one has its key.
pub fn is_as_expected(state: &State, adoption: &Adoption, vm: &Vm) -> Result<(), Refusal> {
    if let Some((holder, other)) = state.by_key(&adoption.key)
        && *holder != adoption.moref()
    {
        let conflict = decide::conflict(state, holder, other);
        return Err((Box::new(conflict), Some(holder.clone())));
    }
    let checks = compare(state, adoption, vm);
    let mut checks = checks.into_iter();
    match checks.find(|(_, expected, found)| expected != found) {
        Some(difference) => Err((Box::new(mismatch(&vm.name, difference)), None)),
        None => Ok(()),
    }
}

/// What is compared: what it is called, what is expected, what is found.
type Comparison = (&'static str, String, String);

fn compare(state: &State, adoption: &Adoption, vm: &Vm) -> [Comparison; 3] {
    let folder = vm.parent.as_ref();
    let folder = folder.map(|folder| state.inventory.path(folder));
    let (ownership, mark) = vm.ownership();
    let key = mark.map(|mark| mark.key);
    let previous = match &adoption.previous {
        Previous::Companion(template) => {
            let found = match ownership {
                Ownership::Companion => vm.companion.clone(),
                _ => whose(ownership, key.as_ref()),
            };
            ("companion_template", template.clone(), found)
        }
        Previous::Key(expected) => {
            let found = match ownership {
                Ownership::Ours => key.as_ref().map(ToString::to_string).unwrap_or_default(),
                _ => whose(ownership, key.as_ref()),
            };
            ("key", expected.to_string(), found)
        }
    };
    let folder = folder.unwrap_or_default();
    [
        ("name", adoption.name.clone(), vm.name.clone()),
        ("folder", adoption.folder.clone(), folder),
        previous,
    ]
}

/// Whose a machine is, where that is not what was expected.
fn whose(ownership: Ownership, key: Option<&MachineKey>) -> String {
    let key = key.map(ToString::to_string).unwrap_or_default();
    match ownership {
        Ownership::Ours => format!("machine {key}"),
        Ownership::Copy => format!("a copy of machine {key}"),
        Ownership::Companion => "a machine of the companion".into(),
        Ownership::Foreign | Ownership::Unspecified => "neither mark nor tag".into(),
    }
}

fn mismatch(name: &str, (property, expected, found): Comparison) -> Fault {
    let what = format!("`{name}` is not as expected: {property} is `{found}`, not `{expected}`");
    Fault::new(Reason::AdoptionMismatch, what)
        .with("property", property)
        .with("expected", expected)
        .with("found", found)
}

/// What a machine of this mark bears. A companion's tag is left as it is.
fn bearing(mark: &Mark) -> Bearing {
    Bearing {
        instance_uuid: Some(mark.key.instance_uuid()),
        marks: mark.extra_config(),
    }
}

// === impl Adoption ===

impl Adoption {
    /// Its managed object reference.
    pub fn moref(&self) -> MoRef {
        MoRef::new("VirtualMachine", self.moref.as_str())
    }
}

#[cfg(test)]
mod tests;
