//! Each fault of vSphere is told with its reason wherever one looks: in the reply of the rpc, in the
//! condition of the template, and in the metric; always with its retry class and what to do.

mod calls;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use contract::reason::{self, TABLE};
use futures::future::join_all;
use lab::Lab;
use serde_json::{Value, json};

use self::rows::{OF_LOGINS, ROWS, Row};
use crate::hub::{Hub, condition};
use crate::requests::{ENSURE, VCENTERS, machines, with};
use crate::zone::{PATIENCE, reason, word};

/// What was not as the row says.
type Wrong = Option<String>;

#[test]
fn each_fault_that_a_reason_lists_has_a_row() {
    let played: BTreeSet<_> = ROWS
        .iter()
        .map(|(fault, ..)| *fault)
        .chain(OF_LOGINS)
        .collect();
    let listed: BTreeSet<_> = TABLE.iter().flat_map(|row| row.faults).copied().collect();
    let missing: Vec<_> = listed.difference(&played).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(ROWS.len() >= 25, "{}", ROWS.len());
}

#[tokio::test]
async fn each_fault_has_its_reason_in_the_reply_in_the_condition_and_in_the_metric() {
    let hub = Hub::start().await;
    let templates: Vec<_> = ROWS
        .iter()
        .map(|row| hub.lab.template(&name(row), 1))
        .collect();
    for row in ROWS {
        // Both the template's machine and the one that a person asks for by the same owner's name.
        let rule = rows::rule(row, &format!("{}-n0?", name(row)));
        hub.lab.vcenter().add_fault(&rule).await.unwrap();
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": templates});
    hub.lab.apply(&list).await.unwrap();
    let conditions = join_all(ROWS.iter().map(|row| wrong_condition(&hub, row))).await;
    let vcenter = vcenter(&hub.lab).await;
    let replies = join_all(ROWS.iter().map(|row| wrong_reply(&hub.lab, &vcenter, row))).await;
    let metrics = metrics(&hub.lab).await;
    let metrics = ROWS.iter().map(|row| wrong_metric(&metrics, row)).collect();
    let wrong: Vec<_> = [conditions, replies, metrics]
        .concat()
        .into_iter()
        .flatten()
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Owner of the machine of a row.
fn name((fault, ..): &Row) -> String {
    fault.to_lowercase()
}

fn row_of(name: &str) -> &'static reason::Row {
    reason::of_name(name).unwrap().row()
}

async fn wrong_condition(hub: &Hub, row: &Row) -> Wrong {
    if row.0 == rows::PASSED_OVER {
        return None;
    }
    let expected = row_of(row.2);
    let is_so = |template: Option<&Value>| {
        let told = template.and_then(|it| condition(it, "VMsCreated"));
        let advice = expected.advice.trim_end_matches('.');
        told.is_some_and(|told| {
            let message = told["message"].as_str().unwrap_or_default();
            told["status"] == "False" && told["reason"] == expected.word && message.contains(advice)
        })
    };
    let waited = hub.lab.wait_for_template(&name(row), PATIENCE, is_so).await;
    let error = waited.err()?;
    let name = name(row);
    let conditions = "jsonpath={.status.conditions}";
    let shown = hub
        .kubectl_output(&["get", "vmtemplate", &name, "-o", conditions])
        .await;
    Some(format!("{}: condition: {error}: {shown}", row.0))
}

async fn vcenter(lab: &Lab) -> String {
    let listed = lab
        .grpcurl()
        .unwrap()
        .call(VCENTERS, &json!({}))
        .await
        .unwrap();
    listed["vcenters"][0]["name"].as_str().unwrap().to_owned()
}

async fn wrong_reply(lab: &Lab, vcenter: &str, row: &Row) -> Wrong {
    let (fault, _, expected) = row;
    let request = with(machines(&name(row), [2]), "/vcenter", vcenter);
    let reply = lab.grpcurl().unwrap().call(ENSURE, &request).await;
    let reply = reply.unwrap_or_else(|error| json!({"error": error.to_string()}));
    let told = &reply["results"][0]["fault"];
    let expected_row = row_of(expected);
    let metadata_is_told = rows::told(fault)
        .iter()
        .all(|(key, value)| told["metadata"][key] == value.as_str());
    let message = told["message"].as_str().unwrap_or_default();
    let is_so = reason(told) == *expected
        && word(&told["retry"], "RETRY_CLASS_") == retry(expected_row)
        && message.ends_with(expected_row.advice)
        && metadata_is_told;
    (!is_so).then(|| format!("{fault}: reply: {reply}"))
}

fn retry(row: &reason::Row) -> &'static str {
    row.retry.as_str_name().trim_start_matches("RETRY_CLASS_")
}

/// How often the controller was told each reason.
async fn metrics(lab: &Lab) -> BTreeMap<String, u64> {
    let address = lab.controller().unwrap().metrics().unwrap();
    let text = lab::control::get(address.parse().unwrap(), "/metrics")
        .await
        .unwrap();
    let of_faults = |line: &str| {
        let rest = line.strip_prefix("vmware_nodepool_driver_faults_total{reason=\"")?;
        let (word, count) = rest.split_once("\"} ")?;
        Some((word.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(of_faults).collect()
}

/// As often as there are rows of its reason, at least: each has a machine that failed.
fn wrong_metric(metrics: &BTreeMap<String, u64>, row: &Row) -> Wrong {
    let expected = ROWS.iter().filter(|other| other.2 == row.2).count() as u64;
    let counted = metrics.get(row_of(row.2).word).copied().unwrap_or_default();
    (counted < expected).then(|| format!("{}: metric: {counted} of {expected}", row.0))
}
