//! Agents that others write to while they are set.

use super::{LOOKS, fault};
use crate::agents::{
    approval::{Host, Wish, decide},
    labels::Labels,
};
use crate::{driver::Retry, kinds::agent::Agent};
use http::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body, core::Status};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tower::service_fn;

/// An Agent that told its inventory, on an API server that knows no more.
struct Server {
    agent: Value,
    /// What somebody else does before each request to write.
    meddle: fn(&mut Value),
    /// Requests to write.
    writes: usize,
}

// === impl Server ===

impl Server {
    fn start(approved: bool, meddle: fn(&mut Value)) -> Arc<Mutex<Self>> {
        let agent = json!({
            "apiVersion": "agent-install.openshift.io/v1beta1", "kind": "Agent",
            "metadata": {
                "name": "agent-1", "namespace": "agents", "uid": "uid-1", "resourceVersion": "1",
            },
            "spec": {"approved": approved},
            "status": {"inventory": {"systemVendor": {"serialNumber": "VMware-42"}}},
        });
        Arc::new(Mutex::new(Self {
            agent,
            meddle,
            writes: 0,
        }))
    }

    fn answer(&mut self, method: &Method, body: &Value) -> (StatusCode, Value) {
        if method == Method::GET {
            return (StatusCode::OK, self.agent.clone());
        }
        self.writes += 1;
        (self.meddle)(&mut self.agent);
        let same = |field: &str| {
            let asked = &body["metadata"][field];
            asked.is_null() || *asked == self.agent["metadata"][field]
        };
        if !same("resourceVersion") || !same("uid") {
            let status = json!({
                "kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409,
                "message": "the object has been modified",
            });
            return (StatusCode::CONFLICT, status);
        }
        let spec = self.agent["spec"].as_object_mut().unwrap();
        spec.extend(body["spec"].as_object().unwrap().clone());
        (StatusCode::OK, self.agent.clone())
    }
}

/// Somebody writes the Agent.
fn touch(agent: &mut Value) {
    let version = agent["metadata"]["resourceVersion"].as_str().unwrap();
    let next = version.parse::<u32>().unwrap() + 1;
    agent["metadata"]["resourceVersion"] = next.to_string().into();
}

/// The spec of a new Agent after it was decided by what it was first, and how often it was tried.
async fn set_while(meddle: fn(&mut Value)) -> (Value, usize) {
    set(Server::start(false, meddle)).await
}

async fn set(server: Arc<Mutex<Server>>) -> (Value, usize) {
    let told = serde_json::from_value(server.lock().unwrap().agent.clone()).unwrap();
    let wish = Wish {
        template: "pool",
        node_pool: "np",
        labels: &Labels::new(),
        selector: None,
    };
    let host = Host {
        name: "pool-n01",
        was_bound: false,
        proved: true,
    };
    let decision = decide(&Arc::new(Agent::of(told)), host, &wish);
    let service = {
        let server = server.clone();
        service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (code, answer) = server.lock().unwrap().answer(&head.method, &body);
                let mut reply = Response::new(Body::from(answer.to_string().into_bytes()));
                *reply.status_mut() = code;
                Ok::<_, Infallible>(reply)
            }
        })
    };
    let client = Client::new(service, "agents");
    let change = decision.change.unwrap();
    super::set(&client, &change).await.unwrap();
    let server = server.lock().unwrap();
    (server.agent["spec"].clone(), server.writes)
}

#[tokio::test]
async fn what_nobody_else_writes_is_set_with_one_request() {
    let expected = json!({"approved": true, "hostname": "pool-n01"});
    assert_eq!(set_while(|_| ()).await, (expected, 1));
}

#[tokio::test]
async fn what_a_user_sets_in_the_same_moment_stays() {
    let named = |agent: &mut Value| {
        touch(agent);
        agent["spec"]["hostname"] = "mine".into();
    };
    let expected = json!({"approved": false, "hostname": "mine"});
    assert_eq!(set_while(named).await, (expected, 1));
}

#[tokio::test]
async fn an_approval_that_a_user_takes_back_in_the_same_moment_stays_taken() {
    let taken = |agent: &mut Value| {
        touch(agent);
        agent["spec"]["approved"] = false.into();
    };
    let server = Server::start(true, taken);
    assert_eq!(set(server).await, (json!({"approved": false}), 1));
}

#[tokio::test]
async fn one_that_was_made_anew_under_its_name_is_not_set() {
    let anew = |agent: &mut Value| agent["metadata"]["uid"] = "uid-2".into();
    assert_eq!(set_while(anew).await, (json!({"approved": false}), 1));
}

#[tokio::test]
async fn what_others_write_without_changing_what_is_decided_by_delays_nothing() {
    let heard = |agent: &mut Value| {
        if agent["status"]["lastHeard"].is_null() {
            touch(agent);
            agent["status"]["lastHeard"] = "now".into();
        }
    };
    let expected = json!({"approved": true, "hostname": "pool-n01"});
    assert_eq!(set_while(heard).await, (expected, 2));
}

#[tokio::test]
async fn one_that_never_stands_still_is_left_for_later() {
    assert_eq!(set_while(touch).await, (json!({"approved": false}), LOOKS));
}

#[test]
fn what_fails_is_tried_again_by_what_can_mend_it() {
    for (code, retry) in [
        (404, Retry::Soon),
        (403, Retry::Slow),
        (422, Retry::Slow),
        (503, Retry::Backoff),
    ] {
        let status = Status::failure("no", "reason").with_code(code);
        let fault = fault(&kube::Error::Api(status.boxed()));
        assert_eq!(
            (fault.word, fault.retry),
            ("AgentUpdateFailed", retry),
            "{code}"
        );
    }
}
