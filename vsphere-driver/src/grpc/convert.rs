//! Messages of requests into checked values. Each refusal names the field.

pub(super) mod handover;
pub(super) mod page;
pub(super) mod references;
pub(super) mod spec;

use crate::{
    capacity::Basis,
    edge::info::{MAX_IDENTITIES, MAX_WAIT},
    machines::work_request::Wish,
    verbs::capacity,
};
use contract::{
    identity::{MANUAL_HUB, MachineKey, is_id, machine_name},
    v1::{CapacityBasis, Fault, Owner, Reason, VirtualMachineIdentity},
};
use std::{collections::HashSet, time::Duration};

/// Longest name of a machine, as vSphere permits.
const MAX_NAME: usize = 80;
const MAX_KIND: usize = 63;
/// Oldest measurement of the room that may be asked for.
const OLDEST: Duration = Duration::from_hours(1);
const MAX_OWNER_NAME: usize = 253;

/// The `wait` of a request.
pub(super) fn wait(asked: Option<prost_types::Duration>) -> Result<Duration, Fault> {
    let Some(asked) = asked else {
        return Ok(Duration::ZERO);
    };
    let wait = Duration::try_from(asked).map_err(|_| Fault::invalid("wait", "is negative"))?;
    if wait > MAX_WAIT {
        return Err(limit("wait", "is longer than 10 minutes", "600s"));
    }
    Ok(wait)
}

/// The `max_age` of a request; a minute where it is left out.
pub(super) fn max_age(asked: Option<prost_types::Duration>) -> Result<Duration, Fault> {
    let Some(asked) = asked else {
        return Ok(capacity::MAX_AGE);
    };
    let age = Duration::try_from(asked).map_err(|_| Fault::invalid("max_age", "is negative"))?;
    if age > OLDEST {
        return Err(Fault::invalid("max_age", "is longer than 1 hour"));
    }
    Ok(age)
}

/// From which sum the room is reckoned.
pub(super) fn basis(asked: i32) -> Result<Basis, Fault> {
    match CapacityBasis::try_from(asked) {
        Ok(CapacityBasis::Unspecified | CapacityBasis::Effective) => Ok(Basis::Effective),
        Ok(CapacityBasis::Total) => Ok(Basis::Total),
        Err(_) => {
            let problem = format!("has {asked}, which this driver does not know");
            Err(Fault::invalid("basis", problem))
        }
    }
}

/// MHz that a CPU is reckoned with; 0 is the default.
pub(super) fn mhz_per_cpu(asked: i32) -> Result<i64, Fault> {
    match asked {
        0 => Ok(capacity::MHZ_PER_CPU),
        1..=10_000 => Ok(i64::from(asked)),
        _ => Err(Fault::invalid("mhz_per_cpu", "must be 1 to 10,000")),
    }
}

/// The name of a vCenter in a request.
pub(super) fn vcenter(name: String) -> Result<String, Fault> {
    if name.is_empty() {
        return Err(Fault::invalid("vcenter", "is missing: name the vCenter"));
    }
    Ok(name)
}

/// The owner of a request; a person may leave its UID out.
pub(super) fn owner(asked: Option<Owner>, hub_id: &str) -> Result<Owner, Fault> {
    let mut owner = asked.ok_or_else(|| Fault::invalid("owner", "is missing"))?;
    let Owner {
        kind,
        namespace,
        name,
        uid,
    } = &mut owner;
    if name.is_empty() || name.chars().count() > MAX_OWNER_NAME || has_odd(name) {
        return Err(Fault::invalid(
            "owner.name",
            "must be 1 to 253 printable characters, no `/`",
        ));
    }
    for (field, text) in [("owner.kind", &*kind), ("owner.namespace", &*namespace)] {
        if text.chars().count() > MAX_KIND || has_odd(text) {
            let problem = "must be at most 63 printable characters, no `/`";
            return Err(Fault::invalid(field, problem));
        }
    }
    if uid.is_empty() && hub_id == MANUAL_HUB {
        uid.clone_from(name);
    }
    if !is_id(uid) {
        let problem = "must be 1 to 63 characters of `A-Za-z0-9._-`; only hub id `manual` may \
                       leave it out, where `owner.name` has that form";
        return Err(Fault::invalid("owner.uid", problem));
    }
    Ok(owner)
}

/// The identities of a request, with their names.
pub(super) fn wishes(
    asked: Vec<VirtualMachineIdentity>,
    hub_id: &str,
    owner: &Owner,
) -> Result<Vec<Wish>, Fault> {
    count("identities", asked.len())?;
    let (mut slots, mut names) = (HashSet::new(), HashSet::new());
    let wish = |(index, identity): (usize, VirtualMachineIdentity)| {
        let VirtualMachineIdentity { slot, name } = identity;
        let field = |name: &str| format!("identities[{index}].{name}");
        if slot < 1 {
            return Err(Fault::invalid(field("slot"), "must be at least 1"));
        }
        if !slots.insert(slot) {
            return Err(Fault::invalid(
                field("slot"),
                format!("has {slot} a second time"),
            ));
        }
        let name = if name.is_empty() {
            machine_name(&owner.name, slot)
        } else {
            name
        };
        machine_name_is_good(&name).map_err(|problem| Fault::invalid(field("name"), problem))?;
        if !names.insert(name.clone()) {
            let problem = format!("has `{name}` a second time");
            return Err(Fault::invalid(field("name"), problem));
        }
        let (hub_id, owner_uid) = (hub_id.to_owned(), owner.uid.clone());
        Ok(Wish {
            key: MachineKey {
                hub_id,
                owner_uid,
                slot,
            },
            name,
        })
    };
    asked.into_iter().enumerate().map(wish).collect()
}

/// Between 1 and 1,000 entries.
pub(super) fn count(field: &str, entries: usize) -> Result<(), Fault> {
    match entries {
        0 => Err(Fault::invalid(field, "is empty: name at least one")),
        1..=MAX_IDENTITIES => Ok(()),
        _ => Err(limit(field, "has more than 1,000 entries", "1000")),
    }
}

fn limit(field: &str, problem: &str, limit: &str) -> Fault {
    Fault::new(Reason::LimitExceeded, format!("`{field}` {problem}"))
        .at(field)
        .with("limit", limit)
}

fn machine_name_is_good(name: &str) -> Result<(), &'static str> {
    if name.chars().count() > MAX_NAME {
        return Err("is longer than 80 characters; give a shorter name or prefix");
    }
    if name.chars().any(char::is_control) || name.trim() != name || name.is_empty() {
        return Err("has control characters, or blanks at its ends");
    }
    Ok(())
}

fn has_odd(text: &str) -> bool {
    text.chars().any(|c| c.is_control() || c == '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, uid: &str) -> Owner {
        Owner {
            name: name.into(),
            uid: uid.into(),
            ..Owner::default()
        }
    }

    fn identity(slot: i32, name: &str) -> VirtualMachineIdentity {
        VirtualMachineIdentity {
            slot,
            name: name.into(),
        }
    }

    #[test]
    fn a_person_may_leave_the_uid_out_and_a_hub_may_not() {
        assert_eq!(
            owner(Some(named("demo", "")), MANUAL_HUB),
            Ok(named("demo", "demo"))
        );
        assert_eq!(
            owner(Some(named("demo", "")), "hub")
                .expect_err("none")
                .field,
            "owner.uid"
        );
        assert_eq!(
            owner(Some(named("a b", "")), MANUAL_HUB)
                .expect_err("form")
                .field,
            "owner.uid"
        );
    }

    #[test]
    fn each_bad_field_is_named() {
        let owner_of = |name: &str| owner(Some(named(name, "uid")), "hub").map_err(|f| f.field);
        assert_eq!(owner_of(""), Err("owner.name".into()));
        assert_eq!(owner_of("a/b"), Err("owner.name".into()));
        let long = prost_types::Duration {
            seconds: 601,
            nanos: 0,
        };
        assert_eq!(
            wait(Some(long)).expect_err("long").reason(),
            Reason::LimitExceeded
        );
        let negative = prost_types::Duration {
            seconds: -1,
            nanos: 0,
        };
        assert_eq!(wait(Some(negative)).expect_err("negative").field, "wait");
        assert_eq!(vcenter(String::new()).expect_err("none").field, "vcenter");
    }

    #[test]
    fn what_is_asked_of_the_room_is_checked() {
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let age = |asked| max_age(asked).map_err(|fault| fault.field);
        assert_eq!(age(None), Ok(Duration::from_mins(1)));
        assert_eq!(age(seconds(0)), Ok(Duration::ZERO));
        assert_eq!(age(seconds(-1)), Err("max_age".into()));
        assert_eq!(age(seconds(3_601)), Err("max_age".into()));
        assert_eq!(basis(0), Ok(Basis::Effective));
        assert_eq!(basis(CapacityBasis::Total.into()), Ok(Basis::Total));
        assert_eq!(basis(9).expect_err("unknown").field, "basis");
        assert_eq!(mhz_per_cpu(0), Ok(2_000));
        assert_eq!(mhz_per_cpu(10_000), Ok(10_000));
        for asked in [-1, 10_001] {
            assert_eq!(mhz_per_cpu(asked).expect_err("range").field, "mhz_per_cpu");
        }
    }

    #[test]
    fn identities_get_their_names_and_each_bad_one_is_named() {
        let owner = named("demo", "uid");
        let all = |list: Vec<_>| wishes(list, "hub", &owner).map_err(|fault| fault.field);
        let good = all(vec![identity(1, ""), identity(12, "chosen")]).expect("good");
        let names: Vec<_> = good.iter().map(|wish| &*wish.name).collect();
        assert_eq!(names, ["demo-n01", "chosen"]);
        for (list, field) in [
            (vec![], "identities"),
            (vec![identity(0, "")], "identities[0].slot"),
            (
                vec![identity(1, ""), identity(1, "x")],
                "identities[1].slot",
            ),
            (
                vec![identity(1, "x"), identity(2, "x")],
                "identities[1].name",
            ),
            (vec![identity(1, " x")], "identities[0].name"),
            (vec![identity(1, &"x".repeat(81))], "identities[0].name"),
            (
                (1..=1001).map(|slot| identity(slot, "")).collect(),
                "identities",
            ),
        ] {
            assert_eq!(all(list), Err(field.to_owned()));
        }
    }
}
