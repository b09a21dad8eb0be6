//! Two processes and one API server: who leads, and in which epoch.

use super::{COMPANION_LEASE, LEASE, Leases, Pace, Place};
use crate::fixtures::hub::now;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::service_fn;

/// An API server that knows Leases only, and lets nobody write who has not read what there is.
#[derive(Clone, Debug, Default)]
struct Api(Arc<Mutex<BTreeMap<String, Value>>>);

impl Api {
    fn leases(&self, identity: &str) -> Leases {
        let api = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (code, body) = api.answer(&head.method, head.uri.path(), body);
                let mut reply = Response::new(Full::new(Bytes::from(body.to_string())));
                *reply.status_mut() = code;
                Ok::<_, Infallible>(reply)
            }
        });
        let place = Place {
            namespace: "hcp",
            identity,
            pace: Pace::new(15),
        };
        Leases::new(&Client::new(service, "hcp"), &place, now)
    }

    fn answer(&self, method: &Method, path: &str, mut body: Value) -> (StatusCode, Value) {
        let mut leases = self.0.lock().unwrap();
        let name = path.rsplit('/').next().unwrap().to_owned();
        match *method {
            Method::GET => match leases.get(&name) {
                Some(lease) => (StatusCode::OK, lease.clone()),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
            Method::POST => {
                body["metadata"]["resourceVersion"] = "1".into();
                let name = body["metadata"]["name"].as_str().unwrap().to_owned();
                leases.insert(name, body.clone());
                (StatusCode::CREATED, body)
            }
            Method::PUT => {
                let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
                if leases.get(&name).map(version) != Some(version(&body)) {
                    return failure(StatusCode::CONFLICT, "Conflict");
                }
                let version = version(&body).as_str().unwrap().parse::<u64>().unwrap();
                body["metadata"]["resourceVersion"] = (version + 1).to_string().into();
                leases.insert(name, body.clone());
                (StatusCode::OK, body)
            }
            _ => panic!("{method} {path}"),
        }
    }

    fn delete(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    fn transitions(&self) -> Value {
        self.0.lock().unwrap()[LEASE]["spec"]["leaseTransitions"].clone()
    }
}

fn failure(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    let body = json!({
        "kind": "Status", "status": "Failure", "reason": reason, "message": reason,
        "code": code.as_u16(),
    });
    (code, body)
}

async fn acquire(leases: &Leases) -> Option<i32> {
    leases.acquire(&CancellationToken::new()).await
}

#[tokio::test(start_paused = true)]
async fn the_silence_of_both_holders_is_waited_for_at_the_same_time() {
    let api = Api::default();
    acquire(&api.leases("killed")).await.unwrap();
    let began = Instant::now();
    assert_eq!(acquire(&api.leases("next")).await, Some(1));
    let waited = began.elapsed();
    let (duration, looks) = (Duration::from_secs(15), Duration::from_secs(5));
    assert!(waited > duration && waited < duration + looks, "{waited:?}");
    let holder = &api.0.lock().unwrap()[COMPANION_LEASE]["spec"]["holderIdentity"];
    assert_eq!(holder, "next");
}

#[tokio::test(start_paused = true)]
async fn the_holder_of_a_lease_that_began_anew_moves_its_epoch_above_the_one_that_was_seen() {
    let api = Api::default();
    let leases = api.leases("holder");
    assert_eq!(acquire(&leases).await, Some(0));
    assert_eq!(leases.raise(7).await, Some(8));
    assert_eq!(api.transitions(), 8);
    assert_eq!(leases.raise(3).await, Some(8), "it is above already");
    assert_eq!(leases.raise(i32::MAX).await, None, "nothing is above that");
}

#[tokio::test(start_paused = true)]
async fn a_leader_of_yesterday_moves_nothing() {
    let api = Api::default();
    let old = api.leases("old");
    acquire(&old).await.unwrap();
    // Stopped for so long that another took over.
    let new = api.leases("new");
    let epoch = acquire(&new).await.unwrap();
    assert_eq!(old.raise(epoch).await, None);
    assert_eq!(api.transitions(), epoch);

    new.release().await;
    assert_eq!(old.raise(epoch).await, None, "given up is not ours either");
    api.delete(LEASE);
    assert_eq!(old.raise(epoch).await, None, "and neither is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_in_between_is_no_reason_to_give_up() {
    let api = Api::default();
    let leases = api.leases("holder");
    acquire(&leases).await.unwrap();
    // Renewals and raises run against each other; each write fails whose reading is old.
    let renewals = leases.hold();
    let raises = async {
        for above in [10, 20, 30] {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(leases.raise(above).await, Some(above + 1));
        }
    };
    tokio::select! {
        () = renewals => panic!("the Lease was lost"),
        () = raises => {}
    }
    assert_eq!(api.transitions(), 31, "renewals keep it");
}
