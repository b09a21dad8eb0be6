//! vCenters that are connected and left, none of which listens.

use super::*;
use crate::iso::source::{Rules, policy::Route, rule::Rule};
use std::{collections::BTreeSet, sync::Barrier, thread, time::Duration};
use tokio::{runtime::Handle, time::timeout};
use tonic_health::pb::{HealthCheckRequest, health_server::Health};
use tonic_health::server::HealthService;

fn core() -> (Core, HealthService) {
    let health = HealthReporter::new();
    let service = HealthService::from_health_reporter(health.clone());
    (
        Core::new("run".into(), health, SoapMetrics::default()),
        service,
    )
}

fn target(username: &str) -> Target {
    Target {
        server: Server::new("127.0.0.1", 1),
        username: username.to_owned(),
        password: Secret::new("p".to_owned()),
        trust: Trust::Insecure,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_connect_the_same_at_the_same_time_have_one_vcenter() {
    const USERS: usize = 50;
    const CALLERS: usize = 8;
    let (core, _) = core();
    let (runtime, together) = (Handle::current(), Barrier::new(CALLERS));
    let connect_all = || {
        let _inside = runtime.enter();
        let one = |user: usize| {
            together.wait();
            let target = target(&format!("user-{user}"));
            core.connect(target, "hub").expect("connected").name.clone()
        };
        (0..USERS).map(one).collect::<Vec<_>>()
    };
    let names: BTreeSet<_> = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(connect_all)).collect();
        let names = callers.into_iter().map(|one| one.join().expect("names"));
        names.flatten().collect()
    });
    assert_eq!(names.len(), USERS);
    core.shutdown().await;
}

#[tokio::test]
async fn a_bundle_without_a_certificate_is_refused_by_its_field() {
    let (core, _) = core();
    let target = Target {
        trust: Trust::CaBundle("no PEM".into()),
        ..target("u")
    };
    let fault = core.connect(target, "hub").expect_err("refused");
    assert_eq!(fault.field, "trust.ca_bundle_pem");
}

#[tokio::test]
async fn the_health_of_a_vcenter_is_told_until_it_is_closed() {
    let (core, service) = core();
    let vcenter = core.connect(target("u"), "hub").expect("connected");
    let asked = || {
        let service = format!("vcenter/{}", vcenter.name);
        tonic::Request::new(HealthCheckRequest { service })
    };
    let told = async {
        while service.check(asked()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let told = timeout(Duration::from_mins(1), told).await;
    told.expect("its health is told");
    vcenter.close().await;
    let forgotten = service.check(asked()).await.expect_err("it is forgotten");
    assert_eq!(forgotten.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn no_source_leads_to_a_vcenter_while_it_is_known() {
    let (core, _) = core();
    let policy = Policy::new(Rules::default());
    core.keep_sources_off(policy.clone());
    let ask = || policy.url("https://vcenter.example:8443/a.iso", Route::Direct);
    assert!(ask().is_ok());
    let server = Server::new("vcenter.example", 443);
    let target = Target {
        server,
        ..target("u")
    };
    let vcenter = core.connect(target, "hub").expect("connected");
    assert_eq!(ask(), Err(Rule::Vcenter));
    core.disconnect(&vcenter.name, "hub").expect("disconnected");
    assert_eq!(ask(), Err(Rule::Vcenter), "its last work goes on");
    vcenter.close().await;
    assert!(core.leave(&vcenter));
    assert!(ask().is_ok());
}
