//! The invariants: what must hold whatever happens, looked at after every change of the world.

use crate::{hub, vcenter};
use contract::identity::MachineKey;
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Nothing happens more often than so many times within the window.
const WINDOW: Duration = Duration::from_secs(10);
const MOST_CREATES: usize = 5;
const MOST_RPCS: usize = 30;
const MOST_WRITES: usize = 30;

/// What was seen to be violated, and what judging needs to remember.
#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) violations: Vec<String>,
    /// Most machines that were asked for since all was settled, by UID.
    peaks: BTreeMap<String, usize>,
    happened: BTreeMap<String, VecDeque<Duration>>,
}

/// What the hub says of a template.
struct Template<'a> {
    uid: &'a str,
    desired: usize,
    quota: Option<usize>,
    status: &'a Value,
}

impl Judge {
    /// Looks at the whole world.
    pub(crate) fn look(&mut self, vcenter: &vcenter::State, hub: &hub::State, now: Duration) {
        if let Some(touched) = vcenter.touched_foreign.first() {
            self.violated(now, "I3 no foreign machine is changed", touched);
        }
        self.keys_are_used_once(vcenter, now);
        for (moref, machine) in &vcenter.machines {
            let Some(key) = &machine.key else { continue };
            let marked = (key.owner_uid.clone(), key.slot);
            let name = &machine.name;
            if vcenter.mark_of(moref) != Some(marked) {
                let what = format!("{name} ({moref}) does not bear the mark of {key}");
                self.violated(now, "I1 every machine has its owner's mark", &what);
            }
            if hub.name_of(&key.owner_uid).is_none() {
                let what = format!("{name} ({moref}) is left, and its template is gone");
                self.violated(now, "I1 no machine outlives its template", &what);
            }
        }
        for template in hub.templates.values().map(Template::of) {
            self.count(vcenter, &template, now);
        }
        for (run, sessions) in vcenter.sessions() {
            if sessions > 1 {
                let what = format!("run {run} of the driver has {sessions} sessions");
                self.violated(now, "I7 one session", &what);
            }
        }
    }

    fn keys_are_used_once(&mut self, vcenter: &vcenter::State, now: Duration) {
        let ran: Vec<_> = vcenter.ran.iter().collect();
        for pair in ran.windows(2) {
            if let [(key, first), (same, second)] = pair
                && key == same
            {
                let what = format!("{key} ran as {first} and as {second}");
                self.violated(now, "I2 no slot is used twice", &what);
            }
        }
        let there = vcenter.machines.iter();
        let mut there: Vec<_> = there
            .filter_map(|(m, vm)| Some((vm.key.as_ref()?, m)))
            .collect();
        there.sort();
        for pair in there.windows(2) {
            if let [(key, first), (same, second)] = pair
                && key == same
            {
                let what = format!("{key} is {first} and {second} at once");
                self.violated(now, "I2 no machine is there twice", &what);
            }
        }
    }

    fn count(&mut self, vcenter: &vcenter::State, template: &Template<'_>, now: Duration) {
        let Template {
            uid,
            desired,
            quota,
            ..
        } = template;
        let peak = self.peaks.entry((*uid).to_owned()).or_default();
        *peak = (*peak).max(*desired);
        let peak = *peak;
        let (mut all, mut staying) = (0, 0);
        for (moref, machine, key) in vcenter.machines_of(uid) {
            all += 1;
            let leaving = machine.leaving || template.phase(key.slot) == Some("Deleting");
            staying += usize::from(!leaving);
            if !template.has_given_out(key.slot) {
                let what = format!("{key} ({moref}) is there, and its slot was never given out");
                self.violated(now, "I1 a slot is written down before it is used", &what);
            }
        }
        if staying > peak {
            let what = format!("{uid} has {staying} machines, and {peak} at most were asked for");
            self.violated(now, "I4 no more machines than asked for", &what);
        }
        if quota.is_some_and(|quota| all > quota) {
            let what = format!("{uid} has {all} machines, and its quota is {quota:?}");
            self.violated(now, "I4 no more machines than the quota", &what);
        }
    }

    /// All is as it shall be: what was asked for before does not count any more.
    pub(crate) fn settle(&mut self) {
        self.peaks.clear();
    }

    /// A create arrives at vCenter.
    pub(crate) fn create_arrives(
        &mut self,
        hub: &hub::State,
        key: Option<&MachineKey>,
        name: &str,
        now: Duration,
    ) {
        let recorded = key.is_some_and(|key| {
            let found = hub.templates.values().map(Template::of);
            let owner = found
                .into_iter()
                .find(|template| template.uid == key.owner_uid);
            owner.is_some_and(|owner| owner.has_given_out(key.slot))
        });
        if !recorded {
            let what = format!("{name} is created, and its slot was never given out");
            self.violated(now, "I1 a slot is written down before it is used", &what);
        }
        self.happens(&format!("create {name}"), MOST_CREATES, now);
    }

    /// The controller calls the driver.
    pub(crate) fn rpc(&mut self, method: &str, now: Duration) {
        self.happens(method, MOST_RPCS, now);
    }

    /// A controller wrote to a template; `same`: all that is not its own is as it was.
    pub(crate) fn written(&mut self, name: &str, same: bool, now: Duration) {
        self.happens(&format!("write {name}"), MOST_WRITES, now);
        if !same {
            self.violated(now, "I6 what others write survives", name);
        }
    }

    fn happens(&mut self, what: &str, most: usize, now: Duration) {
        let times = self.happened.entry(what.to_owned()).or_default();
        times.push_back(now);
        while times.front().is_some_and(|at| *at + WINDOW < now) {
            times.pop_front();
        }
        if times.len() > most {
            let what = format!("{what}: {} times in {WINDOW:?}", times.len());
            self.violated(now, "I12 no hot loop", &what);
        }
    }

    pub(crate) fn violated(&mut self, now: Duration, invariant: &str, what: &str) {
        let line = format!("{invariant}: {what}");
        if !self.violations.iter().any(|known| known.ends_with(&line)) {
            let at = now.as_secs_f64();
            self.violations.push(format!("at {at:.3}: {line}"));
        }
    }
}

impl<'a> Template<'a> {
    fn of(template: &'a Value) -> Self {
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        let quota = number(&template["spec"]["quota"]["maxVms"]);
        let replicas = number(&template["spec"]["replicas"]).unwrap_or_default();
        let leaving = !template["metadata"]["deletionTimestamp"].is_null();
        let desired = if leaving { 0 } else { replicas };
        Self {
            uid: template["metadata"]["uid"].as_str().unwrap_or_default(),
            desired: desired.min(quota.unwrap_or(usize::MAX)),
            quota,
            status: &template["status"],
        }
    }

    fn has_given_out(&self, slot: i32) -> bool {
        let next = self.status["nextSlot"].as_i64();
        next.is_some_and(|next| i64::from(slot) < next)
    }

    /// The phase that the status gives a slot, if it lists it.
    fn phase(&self, slot: i32) -> Option<&'a str> {
        let listed = self.status["vmStatus"].as_array()?;
        let entry = listed.iter().find(|entry| entry["slot"] == slot)?;
        Some(entry["phase"].as_str().unwrap_or_default())
    }
}
