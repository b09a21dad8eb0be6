//! A fault that fails a whole call is told as its reason's gRPC code, with an `ErrorInfo` that has the
//! reason and its retry class, and a message that ends with what to do.

use contract::reason;
use lab::proxy::{Action, Fault, Hostile};
use serde_json::{Value, json};

use super::rows::{OF_LOGINS, ROWS};
use super::{Wrong, retry, row_of};
use crate::requests::{CONNECT, DISCONNECT, ENSURE, LIST, machines, with};
use crate::zone::{Refusal, Zone};

/// A call that fails as a whole: why, what answers which method so, the change of the request, the reason.
type Call = (
    &'static str,
    Option<(&'static str, fn() -> Action)>,
    (&'static str, &'static str),
    &'static str,
);

/// A folder that is to be made.
const FOLDER: (&str, &str) = ("/spec/placement/folder", "catalogue/of/calls");
/// An ISO that is to be looked for.
const ISO: (&str, &str) = ("/spec/cdrom", "[LocalDS_0] isos/agent.iso");

#[rustfmt::skip]
const CALLS: [Call; 16] = [
    ("no such datacenter", None, ("/spec/placement/datacenter", "DC7"), "PLACEMENT_NOT_FOUND"),
    ("no such cluster", None, ("/spec/placement/cluster", "DC0_C7"), "PLACEMENT_NOT_FOUND"),
    ("no such datastore", None, ("/spec/placement/datastore", "nowhere"), "PLACEMENT_NOT_FOUND"),
    ("no such vCenter", None, ("/vcenter", "nowhere"), "VCENTER_UNKNOWN"),
    ("no such file", None, ISO, "ISO_MISSING"),
    ("no path of a file", None, ("/spec/cdrom", "agent.iso"), "INVALID_DATASTORE_PATH"),
    ("no name of an owner", None, ("/owner/name", ""), "INVALID_FIELD"),
    ("the ISO's folder is missing", Some(("SearchDatastore_Task", || Action::reply("FileNotFound"))), ISO, "ISO_MISSING"),
    ("the parent went meanwhile", Some(("CreateFolder", || Action::reply("ManagedObjectNotFound"))), FOLDER, "OBJECT_GONE"),
    ("a fault that nobody knows", Some(("CreateFolder", || Action::reply("MadeUp"))), FOLDER, "VSPHERE_FAULT"),
    ("cut before vCenter", Some(("CreateFolder", || Action::DropBefore)), FOLDER, "VCENTER_UNREACHABLE"),
    ("busy", Some(("CreateFolder", || Action::Status { code: 503 })), FOLDER, "VCENTER_UNREACHABLE"),
    ("a proxy that wants a login", Some(("CreateFolder", || Action::Status { code: 407 })), FOLDER, "VCENTER_BAD_REPLY"),
    ("half an answer", Some(("SearchDatastore_Task", || Action::Truncate)), ISO, "VCENTER_UNREACHABLE"),
    ("a web page", Some(("CreateFolder", || Action::Hostile { with: Hostile::WebPage })), FOLDER, "VCENTER_BAD_REPLY"),
    ("a session that ends again and again", Some(("CreateFolder", || Action::reply("NotAuthenticated"))), FOLDER, "VSPHERE_FAULT"),
];

/// What is not as the reason's row says.
fn wrong_refusal(what: &str, refused: &Refusal, reason: &str) -> Wrong {
    let row = row_of(reason);
    let expected = (row.code as u64, reason, retry(row));
    let class = refused.metadata["retry_class"].as_str().unwrap_or_default();
    let (code, told) = refused.is();
    let is_so = (code, told, class) == expected && refused.message.ends_with(row.advice);
    (!is_so).then(|| format!("{what}: {expected:?} is told as {refused:?}"))
}

/// Has a call fail, and forgets why.
async fn refused(zone: &Zone, fault: Option<(&str, Action)>, request: &Value) -> Refusal {
    if let Some((method, action)) = fault {
        zone.lab.proxy().add(Fault::each(method, action));
    }
    let refused = zone.refused(ENSURE, request).await;
    zone.lab.proxy().clear();
    refused
}

fn changed((pointer, value): (&str, &str)) -> Value {
    let value = match pointer {
        "/spec/cdrom" => json!({"isoPath": value}),
        _ => value.into(),
    };
    with(machines("demo", [1]), pointer, value)
}

fn assert_none(wrong: Vec<Wrong>) {
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_way_that_a_whole_call_fails_has_its_code_and_reason() {
    let zone = Zone::start().await;
    let mut wrong = Vec::new();
    for (what, fault, change, reason) in CALLS {
        let fault = fault.map(|(method, action)| (method, action()));
        let refused = refused(&zone, fault, &changed(change)).await;
        wrong.push(wrong_refusal(what, &refused, reason));
    }
    assert_none(wrong);
    assert_eq!(zone.calls("CreateVM_Task"), 0);
}

#[tokio::test]
async fn each_fault_of_vsphere_has_its_code_and_reason_where_it_fails_a_whole_call() {
    let zone = Zone::start().await;
    let request = changed(FOLDER);
    let mut wrong = Vec::new();
    for (fault, _, reason) in ROWS {
        let action = ("CreateFolder", Action::reply(fault));
        let refused = refused(&zone, Some(action), &request).await;
        wrong.push(wrong_refusal(fault, &refused, reason));
    }
    assert_none(wrong);
}

#[tokio::test]
async fn each_fault_of_a_login_has_its_code_and_reason_in_the_calls_that_need_it() {
    let zone = Zone::unconnected().await;
    let authority = &zone.lab.certificates().authority;
    let trust = json!({"caBundlePem": std::fs::read_to_string(authority).unwrap()});
    let mut wrong = Vec::new();
    for fault in OF_LOGINS {
        zone.lab
            .proxy()
            .add(Fault::each("Login", Action::reply(fault)));
        // Another account each time: refused logins are counted.
        let connect = json!({
            "server": zone.lab.proxy().address().to_string(),
            "userPassword": {"username": fault, "password": zone.lab.vcenter().password()},
            "trust": trust,
            "wait": "60s",
        });
        let vcenter = zone.call(CONNECT, &connect).await["vcenter"].clone();
        let named = json!({"vcenter": vcenter["name"]});
        let request = with(machines("demo", [1]), "/vcenter", named["vcenter"].clone());
        let refused = zone.refused(ENSURE, &request).await;
        let reason = reason::of_vsphere_fault(fault).unwrap().row().name;
        wrong.push(wrong_refusal(fault, &refused, reason));
        let unread = zone.refused(LIST, &named).await;
        wrong.push(wrong_refusal(fault, &unread, "INVENTORY_NOT_SYNCED"));
        zone.call(DISCONNECT, &named).await;
        zone.lab.proxy().clear();
    }
    assert_none(wrong);
}
