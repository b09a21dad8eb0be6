//! Machines that change hands.

use super::{count, references::machine_key};
use crate::machines::handover::{
    adopt::{Adoption, Previous},
    release::Successor,
};
use contract::{
    identity::MachineKey,
    v1::{
        self as pb, Fault, Owner, adoption, release_virtual_machines_request::Successor as Asked,
    },
};
use std::collections::HashSet;

/// Longest `namespace/name` of a template.
const MAX_TEMPLATE: usize = 317;

/// All adoptions of a request, of machines that become this owner's. `may_take_from` says whether the
/// caller may act for the hub that has a machine now.
pub(in crate::grpc) fn adoptions(
    asked: Vec<pb::Adoption>,
    (hub_id, owner): (&str, &Owner),
    may_take_from: impl Fn(&str) -> Result<(), Fault>,
) -> Result<Vec<Adoption>, Fault> {
    count("adoptions", asked.len())?;
    let (mut slots, mut morefs) = (HashSet::new(), HashSet::new());
    let one = |(index, asked): (usize, pb::Adoption)| {
        let field = |name: &str| format!("adoptions[{index}].{name}");
        if asked.slot < 1 {
            return Err(Fault::invalid(field("slot"), "must be at least 1"));
        }
        if !slots.insert(asked.slot) {
            let problem = format!("has {} a second time", asked.slot);
            return Err(Fault::invalid(field("slot"), problem));
        }
        if !morefs.insert(asked.moref.clone()) {
            let problem = format!("has `{}` a second time", asked.moref);
            return Err(Fault::invalid(field("moref"), problem));
        }
        let adoption = adoption(&field, asked, (hub_id, owner))?;
        if let Previous::Key(key) = &adoption.previous
            && key.hub_id != hub_id
        {
            may_take_from(&key.hub_id)?;
        }
        Ok(adoption)
    };
    asked.into_iter().enumerate().map(one).collect()
}

fn adoption(
    field: &impl Fn(&str) -> String,
    asked: pb::Adoption,
    (hub_id, owner): (&str, &Owner),
) -> Result<Adoption, Fault> {
    let pb::Adoption {
        moref,
        name,
        folder,
        slot,
        previous,
    } = asked;
    for (part, text) in [("moref", &moref), ("name", &name), ("folder", &folder)] {
        if text.is_empty() {
            return Err(Fault::invalid(field(part), "is missing"));
        }
    }
    let previous = match previous {
        Some(adoption::Previous::CompanionTemplate(text)) => {
            Previous::Companion(template(&field("companion_template"), text)?)
        }
        Some(adoption::Previous::Key(key)) => {
            Previous::Key(machine_key(&field("key"), key, hub_id)?)
        }
        None => {
            let problem = "says nothing of whose it is: give `companion_template` or `key`";
            return Err(Fault::invalid(field("previous"), problem));
        }
    };
    let key = MachineKey {
        hub_id: hub_id.to_owned(),
        owner_uid: owner.uid.clone(),
        slot,
    };
    Ok(Adoption {
        moref,
        name,
        folder,
        previous,
        key,
    })
}

/// Who gets the machines.
pub(in crate::grpc) fn successor(asked: Option<Asked>) -> Result<Successor, Fault> {
    match asked {
        Some(Asked::CompanionTemplate(text)) => {
            Ok(Successor::Companion(template("companion_template", text)?))
        }
        Some(Asked::Nobody(pb::NoSuccessor {})) => Ok(Successor::Nobody),
        None => Err(Fault::invalid(
            "successor",
            "is missing: give `companion_template` or `nobody`",
        )),
    }
}

fn template(field: &str, text: String) -> Result<String, Fault> {
    let is_part = |part: &str| !part.is_empty() && !part.chars().any(char::is_control);
    let parts = text.split_once('/');
    let good = parts.is_some_and(|(namespace, name)| {
        is_part(namespace) && is_part(name) && !name.contains('/')
    });
    if !good || text.len() > MAX_TEMPLATE {
        return Err(Fault::invalid(field, "must be `namespace/name`"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::{Reason, VirtualMachineKey};

    fn good(slot: i32) -> pb::Adoption {
        pb::Adoption {
            moref: format!("vm-{slot}"),
            name: "pool-n01".into(),
            folder: "/DC0/vm".into(),
            slot,
            previous: Some(adoption::Previous::CompanionTemplate("ns/pool".into())),
        }
    }

    fn keyed(hub_id: &str) -> pb::Adoption {
        let key = VirtualMachineKey {
            hub_id: hub_id.into(),
            owner_uid: "old".into(),
            slot: 3,
        };
        pb::Adoption {
            previous: Some(adoption::Previous::Key(key)),
            ..good(1)
        }
    }

    fn parsed(asked: Vec<pb::Adoption>) -> Result<Vec<Adoption>, Fault> {
        let owner = Owner {
            name: "pool".into(),
            uid: "uid".into(),
            ..Owner::default()
        };
        adoptions(asked, ("hub", &owner), |hub| match hub {
            "friend" => Ok(()),
            _ => Err(Fault::new(Reason::ClientNotAllowed, "no")),
        })
    }

    #[test]
    fn each_bad_field_is_named() {
        let bad = |change: fn(&mut pb::Adoption)| {
            let mut adoption = good(1);
            change(&mut adoption);
            vec![adoption]
        };
        for (asked, field) in [
            (vec![], "adoptions"),
            (bad(|it| it.slot = 0), "adoptions[0].slot"),
            (bad(|it| it.moref.clear()), "adoptions[0].moref"),
            (bad(|it| it.name.clear()), "adoptions[0].name"),
            (bad(|it| it.folder.clear()), "adoptions[0].folder"),
            (bad(|it| it.previous = None), "adoptions[0].previous"),
            (vec![good(1), good(1)], "adoptions[1].slot"),
            (
                vec![good(1), pb::Adoption { slot: 2, ..good(1) }],
                "adoptions[1].moref",
            ),
            (vec![keyed("a/b")], "adoptions[0].key.hub_id"),
        ] {
            assert_eq!(parsed(asked).expect_err(field).field, field);
        }
    }

    #[test]
    fn a_machine_of_another_hub_is_taken_only_by_who_may_act_for_it() {
        assert!(parsed(vec![keyed("friend")]).is_ok());
        assert!(parsed(vec![keyed("")]).is_ok());
        let refused = parsed(vec![keyed("stranger")]).expect_err("refused");
        assert_eq!(refused.reason(), Reason::ClientNotAllowed);
    }

    #[test]
    fn a_template_is_a_namespace_and_a_name() {
        let asked = |text: &str| Some(Asked::CompanionTemplate(text.into()));
        assert_eq!(
            successor(asked("ns/pool")),
            Ok(Successor::Companion("ns/pool".into()))
        );
        for text in ["", "pool", "/pool", "ns/", "ns/pool/x", "ns/po\nol"] {
            let field = successor(asked(text)).expect_err(text).field;
            assert_eq!(field, "companion_template", "{text}");
        }
        assert_eq!(successor(None).expect_err("missing").field, "successor");
    }
}
