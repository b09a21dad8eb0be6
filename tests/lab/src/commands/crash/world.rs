//! What stands in vCenter, as govc sees it: our machines by their marks, and those of others.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use lab::Lab;
use lab::vcenter::{Govc, Machine};

/// How the keys of our marks begin.
const MARK: &str = "hcp-vsphere.";
const OWNER: &str = "hcp-vsphere.owner-uid";
const SLOT: &str = "hcp-vsphere.slot";

/// A machine with our mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct Marked {
    pub(in crate::commands) name: String,
    pub(in crate::commands) on: bool,
    pub(in crate::commands) owner: String,
    pub(in crate::commands) slot: String,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::commands) struct World {
    pub(in crate::commands) marked: Vec<Marked>,
    /// Neither marked nor known as somebody else's: nobody else makes machines here.
    pub(in crate::commands) unmarked: Vec<String>,
    pub(in crate::commands) strangers: Vec<Machine>,
}

/// Machines of others, which must stay as they are.
#[derive(Debug, Clone, Default)]
pub(in crate::commands) struct Strangers(Vec<Machine>);

impl Strangers {
    /// Makes two: one of any name, and one with a name that machines of `template` would have.
    pub(in crate::commands) async fn make(lab: &Lab, template: &str) -> anyhow::Result<Self> {
        let govc = lab.vcenter().govc();
        for name in ["somebody-elses", &format!("{template}-n03")] {
            govc.foreign_machine(name).await?;
        }
        Ok(Self(govc.machines().await?))
    }

    /// Makes a copy of one of our machines: with its mark, and with another instance UUID.
    pub(in crate::commands) async fn copy_one(&mut self, lab: &Lab) -> anyhow::Result<()> {
        let govc = lab.vcenter().govc();
        let marks = govc.marks(MARK).await?;
        let mark = marks.values().find(|mark| mark.contains_key(OWNER));
        let mark = mark.context("none of our machines bears a mark")?;
        let name = "copy-of-one-of-ours";
        govc.foreign_machine(name).await?;
        for (key, value) in mark {
            let option = format!("{key}={value}");
            govc.run(&["vm.change", "-vm", name, "-e", &option]).await?;
        }
        let machines = govc.machines().await?;
        let copy = machines.into_iter().find(|machine| machine.name == name);
        let copy = copy.context("the copy is gone")?;
        let again = govc.marks(MARK).await?;
        ensure!(
            again.get(&copy.moref) == Some(mark),
            "the copy has the mark"
        );
        self.0.push(copy);
        Ok(())
    }

    pub(in crate::commands) fn count(&self) -> usize {
        self.0.len()
    }

    pub(in crate::commands) fn morefs(&self) -> BTreeSet<String> {
        self.0.iter().map(|machine| machine.moref.clone()).collect()
    }

    /// Those that are not any more as they were.
    pub(in crate::commands) fn changed(&self, world: &World) -> Vec<String> {
        let gone = self.0.iter().filter(|it| !world.strangers.contains(it));
        gone.map(|machine| machine.name.clone()).collect()
    }
}

impl World {
    /// Looks.
    pub(in crate::commands) async fn look(
        govc: &Govc,
        strangers: &Strangers,
    ) -> anyhow::Result<Self> {
        let machines = govc.machines().await?;
        let marks = govc.marks(MARK).await?;
        Ok(Self::of(machines, &marks, &strangers.morefs()))
    }

    fn of(
        machines: Vec<Machine>,
        marks: &BTreeMap<String, BTreeMap<String, String>>,
        strangers: &BTreeSet<String>,
    ) -> Self {
        let mut world = Self::default();
        for machine in machines {
            let mark = marks.get(&machine.moref);
            let mark = mark.and_then(|mark| Some((mark.get(OWNER)?, mark.get(SLOT)?)));
            match mark {
                _ if strangers.contains(&machine.moref) => world.strangers.push(machine),
                Some((owner, slot)) => world.marked.push(Marked {
                    name: machine.name,
                    on: machine.on,
                    owner: owner.clone(),
                    slot: slot.clone(),
                }),
                None => world.unmarked.push(machine.name),
            }
        }
        world
    }

    /// Machines of none of these templates, and machines that nobody could find again.
    pub(in crate::commands) fn orphans(&self, owners: &[&str]) -> Vec<String> {
        let left = self
            .marked
            .iter()
            .filter(|it| !owners.contains(&it.owner.as_str()));
        let left = left.map(|it| it.name.clone());
        left.chain(self.unmarked.iter().cloned()).collect()
    }

    /// Machines of which there is another with the same owner and slot, or with the same name.
    pub(in crate::commands) fn duplicates(&self) -> Vec<String> {
        let (mut slots, mut names) = (BTreeSet::new(), BTreeSet::new());
        let twice = self.marked.iter().filter(|it| {
            let new_slot = slots.insert((&it.owner, &it.slot));
            !(names.insert(&it.name) && new_slot)
        });
        twice.map(|it| it.name.clone()).collect()
    }

    /// How many machines the owner has that are on.
    pub(in crate::commands) fn running(&self, owner: Option<&str>) -> usize {
        let ours = |it: &&Marked| it.on && Some(it.owner.as_str()) == owner;
        self.marked.iter().filter(ours).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(moref: &str) -> Machine {
        Machine {
            moref: moref.to_owned(),
            name: format!("name-of-{moref}"),
            on: true,
            uuid: String::new(),
            instance_uuid: String::new(),
        }
    }

    fn world(marks: &[(&str, &str, &str)]) -> World {
        let machines = marks.iter().map(|(moref, ..)| machine(moref)).collect();
        let mark = |owner: &str, slot: &str| {
            let pairs = [(OWNER, owner), (SLOT, slot)].map(|(k, v)| (k.to_owned(), v.to_owned()));
            BTreeMap::from(pairs)
        };
        let marked = marks.iter().filter(|(_, owner, _)| !owner.is_empty());
        let marks = marked.map(|(moref, owner, slot)| ((*moref).to_owned(), mark(owner, slot)));
        World::of(
            machines,
            &marks.collect(),
            &BTreeSet::from(["foreign".to_owned()]),
        )
    }

    #[test]
    fn each_machine_is_judged_by_its_mark() {
        for (why, machines, orphans, duplicates, running) in [
            (
                "all is well",
                vec![("a", "uid", "1"), ("b", "uid", "2")],
                0,
                0,
                2,
            ),
            (
                "somebody else's",
                vec![("foreign", "uid", "1"), ("b", "uid", "1")],
                0,
                0,
                1,
            ),
            ("of a template before", vec![("a", "old", "1")], 1, 0, 0),
            (
                "made twice",
                vec![("a", "uid", "1"), ("b", "uid", "1")],
                0,
                1,
                2,
            ),
            ("without a mark", vec![("a", "", "")], 1, 0, 0),
        ] {
            let world = world(&machines);
            assert_eq!(world.orphans(&["uid"]).len(), orphans, "{why}");
            assert_eq!(world.duplicates().len(), duplicates, "{why}");
            assert_eq!(world.running(Some("uid")), running, "{why}");
        }
    }
}
