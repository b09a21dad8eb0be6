//! Reading objects of others, which are JSON here: a type of ours could hide a wrong name.

use serde_json::Value;

/// Namespace and name.
pub(super) type Key = (String, String);

/// The text of a field, empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Where an object is.
pub(super) fn key(object: &Value) -> Key {
    let of = |pointer| text(object, pointer).to_owned();
    (of("/metadata/namespace"), of("/metadata/name"))
}

/// Whether somebody has asked for its end.
pub(super) fn is_deleting(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

/// The value of a label or an annotation; `map` says which.
pub(super) fn entry<'a>(object: &'a Value, map: &str, name: &str) -> Option<&'a str> {
    object["metadata"][map][name].as_str()
}

/// The names in `metadata.finalizers`.
pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    let list = object["metadata"]["finalizers"].as_array();
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// A condition of the object.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let list = object["status"]["conditions"].as_array();
    let mut list = list.into_iter().flatten();
    list.find(|condition| condition["type"] == kind)
}

/// Whether a condition of the object has this status.
pub(super) fn is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == status)
}

/// Whether the labels of an object are such as a selector asks for; no selector takes all.
pub(super) fn selects(selector: &Value, object: &Value) -> bool {
    let label = |name: &str| entry(object, "labels", name);
    let equal = selector["matchLabels"].as_object();
    let mut equal = equal.into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array();
    let mut expressions = expressions.into_iter().flatten();
    equal.all(|(name, value)| label(name) == value.as_str())
        && expressions.all(|it| holds(it, label(text(it, "/key"))))
}

fn holds(expression: &Value, found: Option<&str>) -> bool {
    let values = expression["values"].as_array();
    let listed = || {
        let mut values = values.into_iter().flatten().filter_map(Value::as_str);
        found.is_some_and(|found| values.any(|value| value == found))
    };
    match text(expression, "/operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        _ => false,
    }
}

/// Whether a merge of `patch` into `object` would change nothing.
pub(super) fn is_in(patch: &Value, object: &Value) -> bool {
    match (patch, object) {
        (Value::Object(patch), Value::Object(object)) => patch
            .iter()
            .all(|(name, value)| is_in(value, object.get(name).unwrap_or(&Value::Null))),
        (patch, object) => patch == object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_takes_what_all_of_its_parts_take() {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        let expression = |operator, values| {
            let expression = json!({"key": "a", "operator": operator, "values": values});
            json!({"matchLabels": {"b": "2"}, "matchExpressions": [expression]})
        };
        for (selector, takes) in [
            (Value::Null, true),
            (json!({}), true),
            (json!({"matchLabels": {"a": "1"}}), true),
            (json!({"matchLabels": {"a": "2"}}), false),
            (json!({"matchLabels": {"c": "1"}}), false),
            (expression("In", json!(["1", "7"])), true),
            (expression("In", json!(["7"])), false),
            (expression("NotIn", json!(["7"])), true),
            (expression("NotIn", json!(["1"])), false),
            (expression("Exists", json!(null)), true),
            (expression("DoesNotExist", json!(null)), false),
            (expression("Near", json!(null)), false),
        ] {
            assert_eq!(selects(&selector, &object), takes, "{selector}");
        }
    }

    #[test]
    fn only_what_would_change_something_is_written() {
        let object = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        for (patch, changes_nothing) in [
            (json!({"a": {"b": 1}}), true),
            (json!({"e": null}), true),
            (json!({"a": {"b": 2}}), false),
            (json!({"a": null}), false),
            (json!({"d": []}), false),
        ] {
            assert_eq!(is_in(&patch, &object), changes_nothing, "{patch}");
        }
    }
}
