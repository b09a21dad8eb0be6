//! The parts of a lab, each seen to do what tests rely on.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use lab::proxy::{Action, Fault, Outage};
use lab::{Lab, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);

async fn vcenter() -> Lab {
    let lab = Lab::builder().without_hub().without_driver().start().await;
    lab.expect("a vCenter starts")
}

/// govc through the proxy.
async fn govc(lab: &Lab, arguments: &[&str]) -> lab::Result<String> {
    lab.vcenter()
        .govc()
        .through(lab.proxy().address())
        .run(arguments)
        .await
}

#[tokio::test]
async fn the_hub_serves_our_kind_and_a_watch_sees_changes() {
    let lab = Lab::builder().without_driver().start().await.unwrap();
    lab.apply(&lab.template("pool", 3)).await.unwrap();
    let three =
        |pool: Option<&serde_json::Value>| pool.is_some_and(|it| it["spec"]["replicas"] == 3);
    lab.wait_for_template("pool", SOON, three).await.unwrap();

    let maps: Api<ConfigMap> = Api::namespaced(lab.client().unwrap(), lab.namespace());
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "it"}})).unwrap();
    let (seen, _) = tokio::join!(
        wait_for(maps.clone(), "it", SOON, |map| map.is_some()),
        async { maps.create(&PostParams::default(), &map).await.unwrap() }
    );
    assert!(seen.unwrap().is_some());
    assert!(!lab.hub_id().await.unwrap().is_empty());
}

#[tokio::test]
async fn calls_are_counted_by_method_and_reset() {
    let lab = vcenter().await;
    govc(&lab, &["about"]).await.unwrap();
    let counts = lab.proxy().counts();
    assert_eq!(counts.of("Login").calls, 1);
    assert_eq!(counts.of("Login").answers, 1);
    assert!(counts.of("Login").response_bytes > 0);
    lab.proxy().reset();
    assert_eq!(lab.proxy().counts().calls(), 0);
}

#[tokio::test]
async fn each_action_breaks_a_call_in_its_own_way() {
    let lab = vcenter().await;
    for (action, answers, lost, says) in [
        (Action::DropBefore, 0, 0, "EOF"),
        (Action::DropAfter, 1, 1, "EOF"),
        (Action::Truncate, 1, 1, "EOF"),
        (Action::Status { code: 503 }, 0, 0, "503"),
        (Action::reply("NoPermission"), 0, 0, "NoPermission"),
    ] {
        lab.proxy().reset();
        lab.proxy().forget_lost();
        lab.proxy().add(Fault::next("Login", action.clone()));
        let error = govc(&lab, &["about"]).await.unwrap_err().to_string();
        assert!(error.contains(says), "{action:?}: {error}");
        let login = lab.proxy().counts().of("Login");
        assert_eq!((login.calls, login.answers), (1, answers), "{action:?}");
        assert_eq!(lab.proxy().lost("Login"), lost, "{action:?}");
        govc(&lab, &["about"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_reply_leaves_the_work_done() {
    let lab = vcenter().await;
    lab.proxy()
        .add(Fault::next("CreateFolder", Action::DropAfter));
    govc(&lab, &["folder.create", "/DC0/vm/pools"])
        .await
        .unwrap_err();
    let found = govc(&lab, &["ls", "/DC0/vm"]).await.unwrap();
    assert!(found.contains("/DC0/vm/pools"), "{found}");
}

#[tokio::test]
async fn delays_and_holds_keep_a_call_back() {
    let lab = vcenter().await;
    let began = Instant::now();
    lab.proxy().add(Fault::next(
        "Login",
        Action::delay(Duration::from_millis(300)),
    ));
    govc(&lab, &["about"]).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));

    lab.proxy().reset();
    let hold = lab.proxy().hold("Login");
    let (called, ()) = tokio::join!(govc(&lab, &["about"]), async {
        lab.proxy().seen("Login", 1).await;
        assert_eq!(lab.proxy().counts().of("Login").answers, 0);
        drop(hold);
        lab.proxy().answered("Login", 1).await;
    });
    called.unwrap();
}

#[tokio::test]
async fn vcenter_disappears_and_comes_back() {
    let lab = vcenter().await;
    lab.proxy().outage(Outage::Refused);
    govc(&lab, &["about"]).await.unwrap_err();
    lab.proxy().outage(Outage::Silent);
    let silent = govc(&lab, &["about"]);
    tokio::time::timeout(Duration::from_millis(500), silent)
        .await
        .unwrap_err();
    lab.proxy().outage(Outage::None);
    govc(&lab, &["about"]).await.unwrap();
}

#[tokio::test]
async fn files_pass_the_proxy_whole() {
    let lab = vcenter().await;
    lab.upload_iso().await.unwrap();
    let listed = govc(&lab, &["datastore.ls", "-ds", lab::DATASTORE, "isos"])
        .await
        .unwrap();
    assert_eq!(listed.trim(), "agent.iso");
    let local = lab.folder().join("again.iso");
    let path = local.display().to_string();
    govc(
        &lab,
        &["datastore.download", "-ds", lab::DATASTORE, lab::ISO, &path],
    )
    .await
    .unwrap();
    let first = std::fs::read(lab.folder().join("agent.iso")).unwrap();
    assert_eq!(std::fs::read(&local).unwrap(), first);
    assert_eq!(lab.proxy().counts().of("HTTP GET").calls, 1);
}

#[tokio::test]
async fn machines_and_sessions_are_seen_past_the_proxy() {
    let lab = vcenter().await;
    let govc = lab.vcenter().govc();
    govc.foreign_machine("one").await.unwrap();
    govc.run(&["vm.power", "-on", "one"]).await.unwrap();
    let machines = lab
        .wait_for_machines("one machine", SOON, |machines| machines.len() == 1)
        .await
        .unwrap();
    assert!(machines[0].on && machines[0].name == "one", "{machines:?}");
    assert_eq!(machines[0].instance_uuid.len(), 36);
    assert_eq!(lab.proxy().counts().calls(), 0);
    assert!(lab.vcenter().sessions().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stream_is_read_message_by_message() {
    let lab = Lab::builder().without_hub().start().await.unwrap();
    let watch = json!({"service": "vsphere.driver.v1.Driver"});
    let mut health = lab
        .grpcurl()
        .unwrap()
        .stream("grpc.health.v1.Health/Watch", &watch)
        .unwrap();
    let serving = |message: &serde_json::Value| (message["status"] == "SERVING").then_some(());
    health
        .find("the driver to serve", SOON, serving)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_driver_keeps_its_address_and_gets_another_process() {
    let mut lab = Lab::builder().without_hub().start().await.unwrap();
    let before = (
        lab.driver().unwrap().address(),
        lab.driver().unwrap().process().unwrap().id(),
    );
    lab.kill_driver().unwrap();
    lab.restart_driver().await.unwrap();
    let after = (
        lab.driver().unwrap().address(),
        lab.driver().unwrap().process().unwrap().id(),
    );
    assert_eq!(after.0, before.0);
    assert_ne!(after.1, before.1);
    assert!(!lab.driver_log_lines().unwrap().is_empty());
    lab.stop_driver().await.unwrap();
}

#[tokio::test]
async fn each_certificate_is_let_in_as_the_list_says() {
    let lab = Lab::builder().without_hub().start().await.unwrap();
    let method = "vsphere.driver.v1.Driver/GetDriverInfo";
    let leaves = lab.certificates();
    for (leaf, let_in) in [
        (&leaves.person, true),
        (&leaves.controller, true),
        (&leaves.stranger, false),
    ] {
        let answer = lab.grpcurl_as(leaf).unwrap().call(method, &json!({})).await;
        assert_eq!(answer.is_ok(), let_in, "{leaf:?}: {answer:?}");
    }
    let refused = lab
        .grpcurl_as(&leaves.stranger)
        .unwrap()
        .refusal(method, &json!({}))
        .await;
    // PERMISSION_DENIED
    assert_eq!(refused.unwrap()["code"], 7);
}

#[tokio::test]
async fn a_login_that_comes_after_its_client_was_killed_leaves_no_session() {
    let lab = vcenter().await;
    let proxy = lab.proxy();
    let vcenter = lab.vcenter().record().unwrap();
    let signal = |signal| {
        let id = Pid::from_raw(i32::try_from(vcenter.id).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    };
    let hold = proxy.hold("Login");
    let mut client = Box::pin(govc(&lab, &["about"]));
    tokio::select! {
        ended = &mut client => panic!("its login is held: {ended:?}"),
        () = proxy.seen("Login", 1) => {}
    }
    signal(Signal::STOP);
    drop(hold);
    proxy.under_way("Login").await;
    // Killed with the future that waits for it.
    drop(client);
    let mut left = Box::pin(proxy.left("Login"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut left).await;
    assert!(early.is_err(), "vCenter has not answered yet");
    signal(Signal::CONT);
    tokio::time::timeout(SOON, left).await.unwrap();
    assert_eq!(lab.proxy().lost("Login"), 1);
    assert_eq!(lab.vcenter().sessions().await.unwrap().len(), 1);
    lab.vcenter().end_sessions().await.unwrap();
    assert!(lab.vcenter().sessions().await.unwrap().is_empty());
}
