//! Which labels an Agent needs for its node pool to take it. Pure.

use crate::kinds::node_pool::{LabelSelector, Requirement};
use std::collections::BTreeMap;

/// Longest value of a label.
const LONGEST: usize = 63;
/// Longest domain in the key of a label.
const DOMAIN: usize = 253;

/// Labels by key.
pub(crate) type Labels = BTreeMap<String, String>;

/// The labels that we set, and what they cannot achieve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// To be set.
    pub(crate) labels: Labels,
    /// Why the Agent will not be taken, or is not labelled as the template says.
    pub(crate) problems: Vec<String>,
}

/// The labels to set: what the template says, and what `selector` needs. Those of `others` are never
/// changed; where the template and the selector differ, the selector decides.
pub(crate) fn wanted(
    template: &Labels,
    selector: Option<&LabelSelector>,
    others: &Labels,
) -> Wanted {
    let mut found = Wanted::default();
    let needed = selector.map(|selector| &selector.match_labels);
    for (key, value) in needed.into_iter().flatten() {
        found.set(key, value, others, "the NodePool's selector");
    }
    for (key, value) in template {
        found.set(key, value, others, "agentLabelSelector");
    }
    let expressions = selector.map_or(&[][..], |selector| &selector.match_expressions);
    for expression in expressions {
        let key = &expression.key;
        if found.labels.contains_key(key) || others.contains_key(key) {
            continue;
        }
        if let Some(value) = value_for(key, expressions) {
            found.labels.insert(key.clone(), value);
        }
    }
    for expression in expressions {
        let key = &expression.key;
        let value = others.get(key).or(found.labels.get(key));
        if !holds(expression, value) {
            found.problems.push(unmet(expression, value));
        }
    }
    found
}

/// Whether `text` can be the value of a label.
pub(crate) fn is_value(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && text.chars().all(allowed)
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

/// Whether `text` can be the key of a label: a name, after the name of a domain where there is one.
pub(crate) fn is_key(text: &str) -> bool {
    let is_domain = |domain: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inside = |c: char| plain(c) || "-.".contains(c);
        let ends = domain.starts_with(plain) && domain.ends_with(plain);
        ends && domain.len() <= DOMAIN && domain.chars().all(inside)
    };
    match text.split_once('/') {
        Some((domain, name)) => is_domain(domain) && is_value(name),
        None => is_value(text),
    }
}

/// A value that lets all of `expressions` about `key` hold; `None` if there is none, or none is needed.
fn value_for(key: &str, expressions: &[Requirement]) -> Option<String> {
    let about = || expressions.iter().filter(|it| it.key == key);
    let named = about()
        .filter(|it| it.operator == "In")
        .flat_map(|it| it.values.iter().cloned());
    let any = about()
        .filter(|it| it.operator == "Exists")
        .flat_map(|_| [String::new(), "true".into()]);
    let mut candidates = named.chain(any);
    candidates.find(|value| about().all(|it| holds(it, Some(value))))
}

fn holds(expression: &Requirement, value: Option<&String>) -> bool {
    let values = &expression.values;
    match expression.operator.as_str() {
        "In" => value.is_some_and(|value| values.contains(value)),
        "NotIn" => value.is_none_or(|value| !values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // One that is not known selects nothing.
        _ => false,
    }
}

fn unmet(expression: &Requirement, value: Option<&String>) -> String {
    let Requirement {
        key,
        operator,
        values,
    } = expression;
    let wanted = format!("{key} {operator} {}", values.join(","));
    let has = value.map_or("has none".into(), |value| format!("has {key}={value}"));
    format!(
        "the NodePool's selector needs {}, and the Agent {has}",
        wanted.trim_end()
    )
}

// === impl Wanted ===

impl Wanted {
    fn set(&mut self, key: &str, value: &str, others: &Labels, by: &str) {
        let standing = others.get(key).or(self.labels.get(key));
        match standing {
            Some(standing) if standing == value => {}
            Some(standing) => self.problems.push(format!(
                "{by} needs {key}={value}, and the Agent has {key}={standing}"
            )),
            None => {
                self.labels.insert(key.into(), value.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    fn selector(value: Value) -> LabelSelector {
        serde_json::from_value(value).unwrap()
    }

    /// Each as in `In a,b`, about the label `k`.
    fn expressions(texts: &[&str]) -> Vec<Value> {
        let expression = |text: &&str| {
            let (operator, values) = text.split_once(' ').unwrap_or((text, ""));
            let values: Vec<_> = values.split(',').filter(|it| !it.is_empty()).collect();
            json!({"key": "k", "operator": operator, "values": values})
        };
        texts.iter().map(expression).collect()
    }

    #[test]
    fn an_agent_gets_what_the_template_says_and_what_the_selector_matches() {
        let selector = selector(json!({"matchLabels": {"pool": "a"}}));
        let found = wanted(&labels(&[("zone", "b")]), Some(&selector), &Labels::new());
        let expected = labels(&[("pool", "a"), ("zone", "b")]);
        assert_eq!((found.labels, found.problems), (expected, vec![]));
    }

    /// What `k` becomes where others have set it so, and whether that is told to be of no use.
    fn becomes(texts: &[&str], others: Option<&str>) -> (Option<String>, bool) {
        let selector = selector(json!({"matchExpressions": expressions(texts)}));
        let others: Labels = others
            .map(|it| ("k".into(), it.into()))
            .into_iter()
            .collect();
        let mut found = wanted(&Labels::new(), Some(&selector), &others);
        (found.labels.remove("k"), !found.problems.is_empty())
    }

    #[test]
    fn each_expression_is_met_where_a_label_can_meet_it() {
        for (texts, others, set, told) in [
            (&["In a,b"][..], None, Some("a"), false),
            (&["In a,b"], Some("b"), None, false),
            (&["In a"], Some("x"), None, true),
            (&["NotIn a"], None, None, false),
            (&["NotIn a"], Some("x"), None, false),
            (&["NotIn a"], Some("a"), None, true),
            (&["Exists"], None, Some(""), false),
            (&["Exists"], Some("x"), None, false),
            (&["DoesNotExist"], None, None, false),
            (&["DoesNotExist"], Some("x"), None, true),
            // One that is not known selects nothing.
            (&["Near a"], None, None, true),
            // Two about one label are met together, or not at all.
            (&["In a,b", "NotIn a"], None, Some("b"), false),
            (&["In a", "NotIn a"], None, None, true),
        ] {
            let expected = (set.map(Into::into), told);
            assert_eq!(becomes(texts, others), expected, "{texts:?} {others:?}");
        }
    }

    #[test]
    fn a_label_of_another_writer_is_never_changed_and_what_it_prevents_is_told() {
        let selector = selector(json!({"matchLabels": {"pool": "a"}}));
        let others = labels(&[("pool", "b"), ("zone", "c")]);
        let found = wanted(&labels(&[("zone", "d")]), Some(&selector), &others);
        assert_eq!(found.labels, Labels::new());
        assert_eq!(
            found.problems,
            [
                "the NodePool's selector needs pool=a, and the Agent has pool=b",
                "agentLabelSelector needs zone=d, and the Agent has zone=c",
            ]
        );
    }

    #[test]
    fn where_template_and_selector_differ_the_selector_decides_and_it_is_told() {
        let selector = selector(json!({"matchLabels": {"pool": "a"}}));
        let found = wanted(&labels(&[("pool", "b")]), Some(&selector), &Labels::new());
        assert_eq!(found.labels, labels(&[("pool", "a")]));
        assert_eq!(found.problems.len(), 1);
    }

    #[test]
    fn a_value_is_short_and_begins_and_ends_plainly() {
        let long = "x".repeat(64);
        for (text, good) in [
            ("pool-1", true),
            ("a.b_C", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a/b", false),
            (&long, false),
        ] {
            assert_eq!(is_value(text), good, "{text}");
        }
    }
}
