//! What is asked for, and what is made of the answer.

use super::*;
use crate::{crd::AgentIso, driver::IsoStep, fixtures::fault};
use serde_json::{Value, json};

fn wish(iso: Value) -> IsoWish {
    let machines = crate::crd::VmTemplate {
        datacenter: "DC0".into(),
        datastore: "ds".into(),
        ..crate::crd::VmTemplate::default()
    };
    let iso: AgentIso = serde_json::from_value(iso).unwrap();
    IsoWish::of(&iso, &machines)
}

fn by_url() -> IsoWish {
    wish(json!({"type": "url", "url": "https://images/a.iso", "proxy": "http://proxy"}))
}

fn by_infra_env() -> IsoWish {
    wish(
        json!({"type": "infraEnv", "infraEnv": {"name": "workers"}, "caBundle": "of the template"}),
    )
}

fn request() -> Request {
    Request {
        hosts: vec!["proxy".into()],
        username: "u".into(),
        password: "p".into(),
        ca_bundle: "of the Secret".into(),
        ..Request::default()
    }
}

fn fetched(wanted: Result<IsoWanted, Lack>) -> (UrlSource, Vec<String>, String) {
    match wanted.unwrap() {
        IsoWanted {
            source: IsoSource::Url(source),
            datastores,
            label,
            ..
        } => (*source, datastores, label),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_lies_there_is_only_looked_for() {
    let wish = wish(json!({"type": "datastore", "datastorePath": "[other] a.iso"}));
    let expected = IsoWanted {
        source: IsoSource::Path("[other] a.iso".into()),
        datacenter: "DC0".into(),
        datastores: vec![],
        label: String::new(),
    };
    assert_eq!(wanted(&wish, None, request()), Ok(expected));
}

#[test]
fn what_is_fetched_is_brought_to_where_the_machines_are() {
    let (source, datastores, label) = fetched(wanted(&by_url(), None, request()));
    let expected = UrlSource {
        url: "https://images/a.iso".into(),
        ca_bundle: "of the Secret".into(),
        proxy: Some(Proxy {
            url: "http://proxy".into(),
            username: "u".into(),
            password: "p".into(),
        }),
        ..UrlSource::default()
    };
    assert_eq!(source, expected);
    assert_eq!((datastores, label.as_str()), (vec!["ds".into()], "agent"));
}

#[test]
fn an_image_is_fetched_where_its_infra_env_says_and_with_the_templates_authorities() {
    let download = Download {
        url: "https://images/token/a.iso".into(),
        revision: "now".into(),
        authorities: "of the hub".into(),
    };
    let (source, _, label) = fetched(wanted(&by_infra_env(), Some(Ok(download)), request()));
    let expected = UrlSource {
        url: "https://images/token/a.iso".into(),
        ca_bundle: "of the template".into(),
        revision: "now".into(),
        ..UrlSource::default()
    };
    assert_eq!((source, label.as_str()), (expected, "workers"));
}

#[test]
fn what_the_hub_lacks_is_not_asked_for() {
    let lack = Lack::new(Reason::InfraEnvNotFound, "no");
    let said = wanted(&by_infra_env(), Some(Err(lack.clone())), request());
    assert_eq!(said, Err(lack));
    assert_eq!(
        wanted(&by_infra_env(), None, request()),
        Err(Lack::syncing())
    );
}

fn told(stand: IsoStand, source_revision: &str) -> Iso {
    Iso {
        source: "https://images/***".into(),
        stand,
        source_revision: source_revision.into(),
        revision: 1,
    }
}

#[test]
fn an_iso_is_there_once_it_is_whole_and_of_the_content_that_was_asked_for() {
    let download = Download {
        url: "https://images/a.iso".into(),
        revision: "2".into(),
        authorities: String::new(),
    };
    let wanted = wanted(&by_infra_env(), Some(Ok(download)), request()).unwrap();
    let ready = || IsoStand::Ready("[ds] a.iso".into());
    let progress = Progress {
        step: IsoStep::Transferring,
        transferred: 1,
        size: 2,
    };
    let coming = |progress| IsoSight::Coming {
        progress,
        source: "https://images/***".into(),
    };
    let failed = fault(crate::driver::Retry::Slow);
    for (iso, expected) in [
        (
            told(ready(), "2"),
            IsoSight::Ready {
                path: "[ds] a.iso".into(),
                source: "https://images/***".into(),
            },
        ),
        (told(ready(), "1"), coming(Progress::default())),
        (told(IsoStand::Coming(progress), "1"), coming(progress)),
        (
            told(IsoStand::Failed(failed.clone()), "2"),
            IsoSight::Failed(failed.clone()),
        ),
    ] {
        assert_eq!(sight(&wanted, iso), expected);
    }
}

#[test]
fn what_was_whole_is_so_until_a_driver_that_was_started_anew_has_looked() {
    let source = || "https://images/***".to_owned();
    let ready = || IsoSight::Ready {
        path: "[ds] a.iso".into(),
        source: source(),
    };
    let coming = |step, transferred| IsoSight::Coming {
        progress: Progress {
            step,
            transferred,
            size: 2,
        },
        source: source(),
    };
    let failed = || IsoSight::Failed(fault(crate::driver::Retry::Slow));
    let lacking = || IsoSight::Lacking(Lack::syncing());
    for (before, told, holds) in [
        (ready(), coming(IsoStep::Waiting, 0), true),
        (ready(), coming(IsoStep::Waiting, 1), false),
        (ready(), coming(IsoStep::Transferring, 0), false),
        (ready(), coming(IsoStep::Verifying, 0), false),
        (ready(), failed(), false),
        (ready(), ready(), false),
        (
            coming(IsoStep::Waiting, 0),
            coming(IsoStep::Waiting, 0),
            false,
        ),
        (failed(), coming(IsoStep::Waiting, 0), false),
        (lacking(), coming(IsoStep::Waiting, 0), false),
    ] {
        assert_eq!(still_holds(&before, &told), holds, "{before:?} {told:?}");
    }
}

#[test]
fn the_hubs_authorities_are_trusted_beside_the_systems_where_nobody_says_whom_to_trust() {
    let trusted = |of_template: Option<&str>, of_secret: &str, of_hub: &str| {
        let wish = IsoWish {
            ca_bundle: of_template.map(ToOwned::to_owned),
            ..by_infra_env()
        };
        let download = Download {
            url: "https://images/a.iso".into(),
            revision: String::new(),
            authorities: of_hub.into(),
        };
        let request = Request {
            ca_bundle: of_secret.into(),
            ..Request::default()
        };
        let (source, ..) = fetched(wanted(&wish, Some(Ok(download)), request));
        (source.ca_bundle, source.system_authorities)
    };
    for (of_template, of_secret, of_hub, bundle, system) in [
        (None, "", "hub", "hub", true),
        (None, "", "", "", false),
        (None, "secret", "hub", "secret", false),
        (Some("template"), "secret", "hub", "template", false),
    ] {
        let expected = (bundle.to_owned(), system);
        assert_eq!(trusted(of_template, of_secret, of_hub), expected);
    }
}
