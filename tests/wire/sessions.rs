//! One session for each vCenter and account; refused passwords are not tried until an account locks.

use serde_json::{Value, json};

use crate::requests::{CONNECT, DISCONNECT, ENSURE, LIST, VCENTER, machines, with};
use crate::zone::{Zone, reason, soon, states, word};

const FAILED_PRECONDITION: u64 = 9;

/// Asks for the zone's vCenter, with a password.
fn connect(zone: &Zone, password: &str) -> Value {
    // A wrong password is a secret, too: mostly it is the right one of somewhere else.
    zone.lab.canary().secret("a password of a call", password);
    let authority = &zone.lab.certificates().authority;
    json!({
        "server": zone.lab.proxy().address().to_string(),
        "userPassword": {"username": lab::vcenter::USERNAME, "password": password},
        "trust": {"caBundlePem": std::fs::read_to_string(authority).unwrap()},
        "wait": "60s",
    })
}

/// How it stands with a connection: its state and its fault.
fn standing(reply: &Value) -> (&str, &str) {
    let freshness = &reply["vcenter"]["freshness"];
    let state = word(&freshness["connectionState"], "CONNECTION_STATE_");
    (state, reason(&freshness["fault"]))
}

#[tokio::test]
async fn the_same_credential_has_the_same_name_and_one_session() {
    let zone = Zone::unconnected().await;
    let request = connect(&zone, zone.lab.vcenter().password());
    let first = zone.call(CONNECT, &request).await;
    let again = zone.call(CONNECT, &request).await;
    assert_eq!(standing(&first), ("CONNECTED", ""), "{first}");
    let name = &first["vcenter"]["name"];
    assert_eq!(&again["vcenter"]["name"], name);
    assert_eq!(zone.calls("Login"), 1);
    assert_eq!(zone.lab.vcenter().sessions().await.unwrap().len(), 1);

    let made = with(machines("demo", [1]), "/vcenter", name.clone());
    let made = zone.call(ENSURE, &made).await;
    assert_eq!(states(&made), ["RUNNING"], "{made}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_three_times_at_most() {
    let zone = Zone::unconnected().await;
    for (attempt, logins) in [("first", 1), ("first", 1), ("second", 2), ("third", 3)] {
        let request = connect(&zone, &format!("{attempt}-Password-0"));
        let refused = zone.call(CONNECT, &request).await;
        let (_, why) = standing(&refused);
        let told = ["VCENTER_BAD_CREDENTIALS", "VCENTER_LOGIN_SUSPENDED"];
        assert!(told.contains(&why), "{attempt}: {refused}");
        assert_eq!(zone.calls("Login"), logins, "{attempt}: {refused}");
    }
    let right = connect(&zone, zone.lab.vcenter().password());
    let suspended = zone.call(CONNECT, &right).await;
    let expected = ("SUSPENDED", "VCENTER_LOGIN_SUSPENDED");
    assert_eq!(standing(&suspended), expected, "{suspended}");
    assert_eq!(suspended["vcenter"]["refusedLogins"], 3, "{suspended}");
    assert_eq!(zone.calls("Login"), 3);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_before_any_password_is_sent() {
    let zone = Zone::unconnected().await;
    let good = connect(&zone, zone.lab.vcenter().password());
    let other = std::fs::read_to_string(&zone.lab.certificates().other_authority).unwrap();
    let seen = zone.call(CONNECT, &good).await;
    let thumbprint = seen["vcenter"]["sha256Thumbprint"].as_str().unwrap();
    let wrong = "0".repeat(64);
    for trust in [
        json!({"caBundlePem": other}),
        json!({"sha256Thumbprint": wrong}),
    ] {
        let refused = zone
            .call(CONNECT, &with(good.clone(), "/trust", trust))
            .await;
        assert_eq!(standing(&refused).1, "VCENTER_TLS_UNTRUSTED", "{refused}");
        assert_eq!(zone.calls("Login"), 1, "{refused}");
        let fault = &refused["vcenter"]["freshness"]["fault"];
        assert_eq!(
            fault["metadata"]["sha256_thumbprint"], thumbprint,
            "{fault}"
        );
    }
    for (trust, kind) in [
        (
            json!({"sha256Thumbprint": thumbprint}),
            "TRUST_KIND_THUMBPRINT",
        ),
        (json!({"insecure": {}}), "TRUST_KIND_INSECURE"),
    ] {
        let connected = zone
            .call(CONNECT, &with(good.clone(), "/trust", trust))
            .await;
        assert_eq!(standing(&connected), ("CONNECTED", ""), "{connected}");
        assert_eq!(connected["vcenter"]["trust"], kind);
    }
}

#[tokio::test]
async fn a_session_that_vcenter_ended_is_had_anew_once() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    zone.lab.vcenter().end_sessions().await.unwrap();
    soon("another login", zone.lab.proxy().answered("Login", 2)).await;
    zone.connection("CONNECTED").await;
    let made = zone.call(ENSURE, &machines("demo", 1..=3)).await;
    assert_eq!(states(&made), ["RUNNING"; 3], "{made}");
    assert_eq!(zone.calls("Login"), 2);
    assert_eq!(zone.machines().await.len(), 3);
    assert_eq!(zone.lab.vcenter().sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_from_before_a_restart_is_unknown_and_connecting_again_helps() {
    let mut zone = Zone::unconnected().await;
    let request = connect(&zone, zone.lab.vcenter().password());
    let before = zone.call(CONNECT, &request).await;
    let name = before["vcenter"]["name"].clone();
    let list = json!({"vcenter": name});
    zone.call(LIST, &list).await;
    zone.lab.kill_driver().unwrap();
    zone.lab.restart_driver().await.unwrap();
    let refused = zone.refused(LIST, &list).await;
    assert_eq!(refused.is(), (FAILED_PRECONDITION, "VCENTER_UNKNOWN"));
    assert_eq!(refused.metadata["retry_class"], "RECOVER", "{refused:?}");
    let after = zone.call(CONNECT, &request).await;
    assert_eq!(standing(&after), ("CONNECTED", ""), "{after}");
}

#[tokio::test]
async fn a_driver_that_stops_and_a_vcenter_that_is_disconnected_leave_no_session() {
    let mut zone = Zone::unconnected().await;
    let request = connect(&zone, zone.lab.vcenter().password());
    let connected = zone.call(CONNECT, &request).await;
    let name = connected["vcenter"]["name"].clone();
    let disconnect = json!({"vcenter": name, "wait": "30s"});
    for _ in 0..2 {
        let gone = zone.call(DISCONNECT, &disconnect).await;
        assert_eq!(gone["done"], true, "{gone}");
    }
    assert_eq!(
        zone.lab.vcenter().sessions().await.unwrap(),
        Vec::<Value>::new()
    );
    let unknown = zone.refused(VCENTER, &json!({"vcenter": name})).await;
    assert_eq!(unknown.is(), (FAILED_PRECONDITION, "VCENTER_UNKNOWN"));

    zone.call(CONNECT, &request).await;
    assert_eq!(zone.lab.vcenter().sessions().await.unwrap().len(), 1);
    soon("the driver to stop", zone.lab.stop_driver())
        .await
        .unwrap();
    assert_eq!(
        zone.lab.vcenter().sessions().await.unwrap(),
        Vec::<Value>::new()
    );
}

#[tokio::test]
async fn a_session_says_who_it_is() {
    let zone = Zone::start().await;
    let sessions = zone.lab.vcenter().sessions().await.unwrap();
    let agent = sessions[0]["userAgent"].as_str().unwrap_or_default();
    assert!(agent.contains("hcp-vsphere"), "{sessions:?}");
}

#[tokio::test]
async fn no_password_is_ever_logged() {
    let zone = Zone::of(lab::Lab::builder().log("debug,vsphere_driver=trace")).await;
    zone.call(CONNECT, &connect(&zone, zone.lab.vcenter().password()))
        .await;
    zone.call(CONNECT, &connect(&zone, "another-Password-0"))
        .await;
    zone.call(ENSURE, &machines("demo", [1])).await;
    let lines = zone.lab.driver().unwrap().process().unwrap().log().lines();
    assert!(lines.len() > 5, "{lines:?}");
    for password in [zone.lab.vcenter().password(), "another-Password-0"] {
        let leak = lines.iter().find(|line| line.contains(password));
        assert_eq!(leak, None);
    }
}
