//! The API server of the hub, as the controller's client sees it.

use super::{NAMESPACE, State};
use crate::world::{Life, Shared, World};
use futures::stream;
use http::{Method, Request, Response};
use http_body_util::{Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::{Value, json};
use std::{convert::Infallible, time::Duration};
use tower::{BoxError, service_fn};

type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

const USUAL: Duration = Duration::from_millis(10);
const LATE: Duration = Duration::from_secs(8);
/// Longest that somebody waits for a reply that does not come.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where a watch is: the last event that it has told.
struct Watch {
    shared: Shared,
    life: Life,
    at: u64,
    ended: bool,
}

/// A client of the hub for a process.
pub(crate) fn client(shared: Shared, life: Life) -> kube::Client {
    let service = service_fn(move |request: Request<Body>| {
        let (shared, life) = (shared.clone(), life.clone());
        async move { answer(shared, life, request).await }
    });
    kube::Client::new(service, NAMESPACE)
}

async fn answer(shared: Shared, life: Life, request: Request<Body>) -> Result<Reply, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect_bytes().await?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    life.check().await;
    if path.ends_with("/customresourcedefinitions") && !query.contains("watch=true") {
        // A hub without node pools, whatever the weather.
        return Ok(list(1, &[]));
    }
    if path.ends_with("/customresourcedefinitions") {
        let nothing = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        return Ok(Response::new(UnsyncBoxBody::new(StreamBody::new(nothing))));
    }
    if path.contains("/customresourcedefinitions/") {
        return Ok(failure(404, "NotFound"));
    }
    let (there, back, lost, answer_lost) = shared.with(|world| {
        let weather = world.weather.clone();
        let most = if world.chance(weather.stale) {
            LATE
        } else {
            USUAL
        };
        (
            world.time(most),
            world.time(USUAL),
            world.chance(weather.request_lost),
            world.chance(weather.answer_lost),
        )
    });
    if lost {
        let wait = shared.with(|world| world.time(DEADLINE));
        life.sleep(wait).await;
        return Err("the request was lost".into());
    }
    life.sleep(there).await;
    if query.contains("watch=true") && path.ends_with("/vmwarenodepooltemplates") {
        return Ok(watch(shared, life, query));
    }
    if query.contains("watch=true") {
        // The Secret never changes.
        let nothing = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        return Ok(Response::new(UnsyncBoxBody::new(StreamBody::new(nothing))));
    }
    let reply = shared.with(|world| act(world, &head.method, path, &body));
    life.sleep(back).await;
    if answer_lost && head.method != Method::GET {
        return Err("the reply was lost".into());
    }
    Ok(reply)
}

fn act(world: &mut World, method: &Method, path: &str, body: &Value) -> Reply {
    let name = path.trim_end_matches("/status").rsplit('/').next();
    let name = name.unwrap_or_default();
    let writes = [Method::PATCH, Method::PUT].contains(method);
    if writes && path.contains("/vmwarenodepooltemplates/") {
        let conflict = world.weather.conflict;
        if world.chance(conflict) {
            return failure(409, "Conflict");
        }
        let others = others(&world.hub, name);
        let written = if path.ends_with("/status") {
            world.hub.write_status(name, body)
        } else {
            world.hub.patch(name, body)
        };
        let now = world.now();
        let same =
            !world.hub.templates.contains_key(name) || others == self::others(&world.hub, name);
        world.judge.written(name, same, now);
        let how = match &written {
            Ok(_) => String::new(),
            Err((_, reason)) => format!(": {reason}"),
        };
        let what = if path.ends_with("/status") {
            brief(&body["status"])
        } else {
            body.to_string()
        };
        world.note(format!("hub: write {name} {what}{how}"));
        return written.map_or_else(|(code, reason)| failure(code, reason), |object| ok(&object));
    }
    match (method, path) {
        // It is kept from the beginning, and stays.
        (&Method::GET | &Method::PATCH, path) if path.contains("/secrets/") => ok(&secret()),
        (&Method::GET, path) if path.ends_with("/secrets") => list(1, &[secret()]),
        (&Method::GET, path) if path.ends_with("/vmwarenodepooltemplates") => {
            let all: Vec<_> = world.hub.templates.values().cloned().collect();
            list(world.hub.version, &all)
        }
        (&Method::POST, path) if path.ends_with("/events") => ok(body),
        (&Method::PATCH, path) if path.contains("/events/") => ok(body),
        _ => panic!("{method} {path}"),
    }
}

/// All of a template that is not ours to change.
fn others(hub: &State, name: &str) -> Option<Value> {
    let mut template = hub.templates.get(name)?.clone();
    let object = template.as_object_mut()?;
    object.remove("status");
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("resourceVersion");
    let finalizers = metadata.remove("finalizers").unwrap_or_default();
    let kept = finalizers
        .as_array()
        .is_some_and(|all| all.iter().any(|name| name == super::OTHER_FINALIZER));
    metadata.insert("kept".into(), kept.into());
    Some(template)
}

fn brief(status: &Value) -> String {
    let slots = status["vmStatus"].as_array().cloned().unwrap_or_default();
    let slots = slots.iter().map(|entry| {
        let word = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{}:{}", entry["slot"], word("phase"), word("moref"))
    });
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|c| c["type"] == "Ready");
    let ready = ready.map_or(&Value::Null, |ready| &ready["reason"]);
    format!(
        "next={} [{}] {ready}",
        status["nextSlot"],
        slots.collect::<Vec<_>>().join(" ")
    )
}

fn watch(shared: Shared, life: Life, query: &str) -> Reply {
    let at = query
        .split('&')
        .find_map(|part| part.strip_prefix("resourceVersion="));
    let watch = Watch {
        shared,
        life,
        at: at.and_then(|at| at.parse().ok()).unwrap_or_default(),
        ended: false,
    };
    let lines = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        let told = Bytes::from(format!("{event}\n"));
        Some((Ok::<_, Infallible>(Frame::data(told)), watch))
    });
    Response::new(UnsyncBoxBody::new(StreamBody::new(lines)))
}

impl Watch {
    async fn next(&mut self) -> Option<Value> {
        if self.ended {
            return None;
        }
        let mut news = self.shared.hub_news();
        let (version, kind, object) = loop {
            news.catch_up();
            let next = self.shared.with(|world| {
                let mut later = world.hub.log.iter().filter(|(v, ..)| *v > self.at);
                later.next().cloned()
            });
            match next {
                Some(event) => break event,
                None => news.rung().await,
            }
        };
        let (breaks, gone, late) = self.shared.with(|world| {
            let weather = world.weather.clone();
            let most = if world.chance(weather.stale) {
                LATE
            } else {
                USUAL
            };
            (
                world.chance(weather.watch_breaks),
                world.dice.bool(),
                world.time(most),
            )
        });
        self.life.sleep(late).await;
        if breaks {
            self.ended = true;
            return gone.then(|| {
                let status = status(410, "Expired");
                json!({"type": "ERROR", "object": status})
            });
        }
        self.at = version;
        Some(json!({"type": kind, "object": object}))
    }
}

fn secret() -> Value {
    json!({
        "metadata": {
            "name": "vsphere-credentials", "namespace": NAMESPACE, "resourceVersion": "1",
            "finalizers": ["vmware.hcp.open-cluster-management.io/secret-in-use"],
        },
        // `vc`, `p` and `u`.
        "data": {"server": "dmM=", "password": "cA==", "username": "dQ=="},
    })
}

fn list(version: u64, items: &[Value]) -> Reply {
    ok(&json!({"metadata": {"resourceVersion": version.to_string()}, "items": items}))
}

fn ok(body: &Value) -> Reply {
    reply(200, body)
}

fn failure(code: u16, reason: &str) -> Reply {
    reply(code, &status(code, reason))
}

fn status(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
        "message": reason, "code": code,
    })
}

fn reply(code: u16, body: &Value) -> Reply {
    let body = Full::new(Bytes::from(body.to_string()));
    let body = UnsyncBoxBody::new(body);
    Response::builder().status(code).body(body).unwrap()
}
