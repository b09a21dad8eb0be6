//! What a spec must fulfil beyond its schema: one table, for the controller and for the API server.
//!
//! [`problems`] is what the condition `SpecValid` says; [`policy`] makes of the same rows the CEL of a
//! `ValidatingAdmissionPolicy`, so that a user learns of it when applying.

mod cel;
mod ignored;
pub mod policy;
mod text;

pub use ignored::ignored;

use crate::{
    agents::labels::{is_key, is_value},
    crd::{MAX_REPLICAS, VMwareNodePoolTemplateSpec},
    kinds::agent::AGENT_MACHINE_REF,
};
use serde_json::Value;

/// Longest prefix of a name: vSphere takes 80 characters, and `-n` with the slot must follow.
const PREFIX: usize = 67;
/// Longest URL that the driver takes.
const URL: usize = 4096;
/// Hexadecimal digits of a SHA-256.
const DIGEST: usize = 64;
/// Keys of `extraConfig` that the driver refuses.
const KEPT_KEYS: &[&str] = &["hcp-vsphere.", "guestinfo.vmware-hcp.template"];
/// Labels of an Agent by which Cluster API says that it has taken it.
const CLAIMED_LABELS: &[&str] = &[AGENT_MACHINE_REF];

/// One demand on a field of the spec. A field that is absent or null fulfils all but `Needed…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// A number from `least` to `most`, divisible by `step`; 0 stands for the default where `zero`.
    Between {
        least: i64,
        most: i64,
        step: i64,
        zero: bool,
    },
    /// One of these words, or the empty one.
    OneOf(&'static [&'static str]),
    /// The namespace of the object.
    SameNamespace,
    /// At most so many characters, none of `/`, `\` and `%`.
    NamePrefix(usize),
    /// The address of a web server, without a user in it.
    Url,
    /// A SHA-256 in hexadecimal digits.
    Digest,
    /// A duration as Go writes it.
    Duration,
    /// A duration as Go writes it, longer than 0.
    Deadline,
    /// An object whose durations of these names, or else these instead, are less than so long together.
    Together(&'static [(&'static str, &'static str)], &'static str),
    /// Keys and values are those of labels.
    Labels,
    /// No key begins with one of these.
    NoKeyLike(&'static [&'static str]),
    /// Not empty where the other field has this word.
    NeededWhen(&'static str, &'static str),
    /// Not empty unless the other field is true.
    NeededUnless(&'static str),
    /// At most as much as the other field.
    AtMost(&'static str),
    /// The same as the other field, where both are given.
    SameAs(&'static str),
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    /// Path of the field below `spec`.
    field: &'static str,
    demand: Demand,
}

/// The deadlines of self-healing, and what they are where they are left out.
const DEADLINES: &[(&str, &str)] = &[
    ("powerOnDeadline", "3m"),
    ("registrationDeadline", "6m"),
    ("validationDeadline", "3m"),
    ("installationDeadline", "7m"),
];

const fn rule(field: &'static str, demand: Demand) -> Rule {
    Rule { field, demand }
}

const fn between(least: i64, most: i64) -> Demand {
    Demand::Between {
        least,
        most,
        step: 1,
        zero: false,
    }
}

const fn zero_or(least: i64, most: i64, step: i64) -> Demand {
    Demand::Between {
        least,
        most,
        step,
        zero: true,
    }
}

/// All that is demanded of a spec.
const RULES: &[Rule] = &[
    rule("nodePoolRef.name", Demand::NeededUnless("testMode")),
    rule("nodePoolRef.namespace", Demand::SameNamespace),
    rule("vSphereCredentials.namespace", Demand::SameNamespace),
    rule("replicas", between(0, MAX_REPLICAS as i64)),
    rule("spares", between(0, MAX_REPLICAS as i64)),
    rule("quota.maxVms", between(1, i32::MAX as i64)),
    rule("quota.softMaxVms", between(1, i32::MAX as i64)),
    rule("quota.softMaxVms", Demand::AtMost("quota.maxVms")),
    rule(
        "vmTemplate.resourceLimits.maxVMs",
        between(1, i32::MAX as i64),
    ),
    rule(
        "vmTemplate.resourceLimits.softMaxVMs",
        between(1, i32::MAX as i64),
    ),
    rule(
        "vmTemplate.resourceLimits.softMaxVMs",
        Demand::AtMost("vmTemplate.resourceLimits.maxVMs"),
    ),
    rule(
        "vmTemplate.resourceLimits.maxVMs",
        Demand::SameAs("quota.maxVms"),
    ),
    rule(
        "vmTemplate.resourceLimits.softMaxVMs",
        Demand::SameAs("quota.softMaxVms"),
    ),
    rule("vmTemplate.numCPUs", zero_or(1, 768, 1)),
    rule("vmTemplate.memoryMB", zero_or(4, 25_165_824, 4)),
    rule("vmTemplate.diskSizeGB", zero_or(1, 63_488, 1)),
    rule(
        "vmTemplate.firmware",
        Demand::OneOf(&["bios", "efi", "efi-secure"]),
    ),
    rule("vmTemplate.namePrefix", Demand::NamePrefix(PREFIX)),
    rule("vmTemplate.extraConfig", Demand::NoKeyLike(KEPT_KEYS)),
    rule(
        "agentISO.datastorePath",
        Demand::NeededWhen("agentISO.type", "datastore"),
    ),
    rule("agentISO.url", Demand::NeededWhen("agentISO.type", "url")),
    rule("agentISO.url", Demand::Url),
    rule(
        "agentISO.infraEnv.name",
        Demand::NeededWhen("agentISO.type", "infraEnv"),
    ),
    rule("agentISO.proxy", Demand::Url),
    rule("agentISO.sha256", Demand::Digest),
    rule("agentLabelSelector", Demand::Labels),
    rule("agentLabelSelector", Demand::NoKeyLike(CLAIMED_LABELS)),
    rule("resourcePollingInterval", Demand::Duration),
    rule("selfHealing.powerOnDeadline", Demand::Deadline),
    rule("selfHealing.registrationDeadline", Demand::Deadline),
    rule("selfHealing.validationDeadline", Demand::Deadline),
    rule("selfHealing.installationDeadline", Demand::Deadline),
    rule("selfHealing", Demand::Together(DEADLINES, "20m")),
    rule(
        "selfHealing.maxReplacements",
        between(1, MAX_REPLICAS as i64),
    ),
    rule("selfHealing.failureLimit", between(1, i32::MAX as i64)),
];

/// What is wrong with the spec of an object of this namespace, one sentence for each row.
pub fn problems(spec: &VMwareNodePoolTemplateSpec, namespace: &str) -> Vec<String> {
    // A spec that was read is JSON; were it not, there would be nothing to find in it.
    let spec = serde_json::to_value(spec).unwrap_or_default();
    RULES
        .iter()
        .filter(|rule| !rule.holds(&spec, namespace))
        .map(Rule::text)
        .collect()
}

/// The value at this path, unless it is absent or null.
fn find<'a>(spec: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(spec, |value, name| value.get(name))
        .filter(|value| !value.is_null())
}

fn is_empty(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_none_or(str::is_empty)
}

/// Whether this is the address of a web server: a scheme, a host, and neither a user nor a blank.
fn is_url(text: &str) -> bool {
    let rest = ["https://", "http://"].map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = rest.into_iter().flatten().next() else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let printed = text.chars().all(|c| c.is_ascii_graphic());
    !host.is_empty() && !host.contains('@') && printed && text.len() <= URL
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Seconds of a duration as Go writes it, `1h30m`; `None` if it is not one.
pub fn go_duration(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, tail) = rest.split_at(number);
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        seconds += digits.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty()).then_some(seconds)
}

// === impl Rule ===

impl Rule {
    fn holds(&self, spec: &Value, namespace: &str) -> bool {
        let found = find(spec, self.field);
        match self.demand {
            Demand::NeededWhen(other, word) => {
                let asked = find(spec, other).and_then(Value::as_str) == Some(word);
                return !asked || !is_empty(found);
            }
            Demand::NeededUnless(other) => {
                let excused = find(spec, other).and_then(Value::as_bool) == Some(true);
                return excused || !is_empty(found);
            }
            _ => {}
        }
        found.is_none_or(|value| self.holds_of(value, spec, namespace))
    }

    fn holds_of(&self, value: &Value, spec: &Value, namespace: &str) -> bool {
        let number = value.as_i64().unwrap_or_default();
        let text = value.as_str().unwrap_or_default();
        let other = |path| find(spec, path);
        match self.demand {
            Demand::Between {
                least,
                most,
                step,
                zero,
            } => zero && number == 0 || (least..=most).contains(&number) && number % step == 0,
            Demand::OneOf(words) => text.is_empty() || words.contains(&text),
            Demand::SameNamespace => text.is_empty() || text == namespace,
            Demand::NamePrefix(most) => {
                text.chars().count() <= most && !text.contains(['/', '\\', '%'])
            }
            Demand::Url => text.is_empty() || is_url(text),
            Demand::Digest => text.is_empty() || is_digest(text),
            Demand::Duration => text.is_empty() || go_duration(text).is_some(),
            Demand::Deadline => {
                text.is_empty() || go_duration(text).is_some_and(|seconds| seconds > 0.0)
            }
            Demand::Together(parts, below) => {
                let part = |(name, default): &(&str, &str)| {
                    let given = find(value, name).and_then(Value::as_str);
                    let given = given.filter(|given| !given.is_empty());
                    go_duration(given.unwrap_or(default)).unwrap_or_default()
                };
                parts.iter().map(part).sum::<f64>() < go_duration(below).unwrap_or_default()
            }
            Demand::Labels => value.as_object().is_none_or(|labels| {
                let is_value = |value: &Value| {
                    let text = value.as_str().unwrap_or_default();
                    text.is_empty() || is_value(text)
                };
                labels.iter().all(|(k, v)| is_key(k) && is_value(v))
            }),
            Demand::NoKeyLike(kept) => value.as_object().is_none_or(|map| {
                let refused = |key: &String| kept.iter().any(|kept| key.starts_with(kept));
                !map.keys().any(refused)
            }),
            Demand::AtMost(path) => other(path)
                .and_then(Value::as_i64)
                .is_none_or(|most| number <= most),
            Demand::SameAs(path) => other(path).is_none_or(|other| other == value),
            Demand::NeededWhen(..) | Demand::NeededUnless(_) => true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
