//! What is known of foreign kinds, from an API server in memory.

use super::*;
use crate::{
    fixtures::{hub::now, template},
    kinds::{Kind, node_pool::NodePool},
};
use futures::StreamExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use kube::{client::Body, runtime::reflector::store::Writer, runtime::watcher::Event};
use serde_json::{Value, json};
use std::{collections::HashMap, convert::Infallible, sync::Mutex, time::Duration};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower::service_fn;

type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Longest that a test waits, on its own clock.
const PATIENCE: Duration = Duration::from_mins(2);

/// An API server that has node pools, or has not.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The definition of node pools.
    definition: Option<Value>,
    pools: HashMap<String, Value>,
    forbidden: bool,
    /// It answers nobody.
    away: bool,
    /// Who watches what, by the plural name.
    watchers: Vec<(String, UnboundedSender<Value>)>,
}

/// The hub over that server, with one template in test mode and one of the node pool `workers`.
struct World {
    server: Server,
    hub: Arc<Hub>,
    wish: Wish,
    woken: UnboundedReceiver<ObjectRef<VMwareNodePoolTemplate>>,
}

fn definition() -> Value {
    json!({
        "metadata": {"name": Kind::NodePool.definition(), "uid": "one", "resourceVersion": "1"},
        "spec": {"versions": [{"name": "v1beta1", "served": true}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    })
}

fn pool(name: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "NodePool",
        "metadata": {"name": name, "namespace": "clusters", "resourceVersion": "1"},
        "spec": {"replicas": replicas, "clusterName": "east"},
    })
}

// === impl Server ===

impl Server {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let reply = server.change(|state| state.answer(request.uri()));
            async move { Ok::<_, Infallible>(reply) }
        });
        Client::new(service, "clusters")
    }

    /// The hub has node pools from now on.
    fn define(&self) {
        self.change(|state| {
            state.definition = Some(definition());
            state.tell("customresourcedefinitions", "ADDED", &definition());
        });
    }

    /// Somebody removes the kind: the definition bears it at once, and its watch is late.
    fn begin_removal(&self) {
        self.change(|state| {
            let definition = state.definition.as_mut().unwrap();
            definition["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        });
    }

    /// Somebody has removed the kind with all objects and made it anew; the watch of definitions is late.
    fn make_anew(&self) {
        self.change(|state| {
            state.definition.as_mut().unwrap()["metadata"]["uid"] = "two".into();
            state.pools.clear();
        });
    }

    /// It goes away, and cuts all watches off.
    fn leave(&self) {
        self.change(|state| {
            state.away = true;
            state.watchers.clear();
        });
    }

    fn put(&self, kind: &str, pool: &Value) {
        self.change(|state| {
            let name = pool["metadata"]["name"].as_str().unwrap().to_owned();
            if kind == "DELETED" {
                state.pools.remove(&name);
            } else {
                state.pools.insert(name, pool.clone());
            }
            state.tell("nodepools", kind, pool);
        });
    }
}

// === impl State ===

impl State {
    fn tell(&mut self, plural: &str, kind: &str, object: &Value) {
        let event = json!({"type": kind, "object": object});
        self.watchers
            .retain(|(watched, watcher)| watched != plural || watcher.send(event.clone()).is_ok());
    }

    fn answer(&mut self, uri: &http::Uri) -> Reply {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let asked = path.rsplit('/').next().unwrap_or_default();
        let of_pools = query.contains("nodepools.") || asked.starts_with("nodepools");
        if self.away {
            return reply(
                503,
                &json!({"kind": "Status", "code": 503, "reason": "ServiceUnavailable",
                "status": "Failure", "message": "away"}),
            );
        }
        if self.forbidden && asked == "nodepools" {
            return reply(
                403,
                &json!({"kind": "Status", "code": 403, "reason": "Forbidden",
                "status": "Failure", "message": "nodepools is forbidden"}),
            );
        }
        if query.contains("watch=true") {
            let (watcher, told) = unbounded_channel();
            if of_pools {
                self.watchers.push((asked.to_owned(), watcher));
                return stream(told);
            }
            // Kept open, with nothing to tell.
            self.watchers.push((String::new(), watcher));
            return stream(told);
        }
        let list = |items: Vec<&Value>| {
            reply(
                200,
                &json!({"metadata": {"resourceVersion": "1"}, "items": items}),
            )
        };
        match (asked, &self.definition) {
            ("customresourcedefinitions", definition) => {
                list(definition.iter().filter(|_| of_pools).collect())
            }
            ("nodepools", _) => list(self.pools.values().collect()),
            (_, Some(definition)) if of_pools => reply(200, definition),
            _ => reply(
                404,
                &json!({"kind": "Status", "code": 404, "reason": "NotFound",
                "status": "Failure", "message": "not found"}),
            ),
        }
    }
}

fn stream(told: UnboundedReceiver<Value>) -> Reply {
    let lines = UnboundedReceiverStream::new(told)
        .map(|event: Value| Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{event}\n")))));
    Response::new(UnsyncBoxBody::new(StreamBody::new(lines)))
}

fn reply(code: u16, body: &Value) -> Reply {
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let body = UnsyncBoxBody::new(body);
    Response::builder().status(code).body(body).unwrap()
}

// === impl World ===

impl World {
    /// The hub has node pools, and these are there.
    fn with(pools: &[Value]) -> Self {
        let world = Self::without();
        world.server.define();
        for pool in pools {
            world.server.put("ADDED", pool);
        }
        world
    }

    /// The hub has no node pools.
    fn without() -> Self {
        let server = Server::default();
        let (wake, woken) = unbounded_channel();
        let hub = Arc::new(Hub::new(crate::hub::IngressCa::default(), wake, now));
        let of_pool = template(&json!({"testMode": false, "nodePoolRef": {"name": "workers"}}));
        let wish = Wish::of(&of_pool).unwrap();
        let mut writer = Writer::default();
        hub.templates(writer.as_reader());
        writer.apply_watcher_event(&Event::Apply(of_pool));
        let (kept, client) = (hub.clone(), server.client());
        tokio::spawn(async move { kept.keep(&client).await });
        Self {
            server,
            hub,
            wish,
            woken,
        }
    }

    fn found(&self) -> Sought<Arc<NodePool>> {
        self.hub.pool(&self.wish).node_pool
    }

    /// Waits until the node pool is seen so; it is looked at whenever the template is woken.
    async fn until(&mut self, what: &str, looks: impl Fn(&Sought<Arc<NodePool>>) -> bool) {
        let waiting = async {
            while !looks(&self.found()) {
                self.woken.recv().await.unwrap();
            }
        };
        let seen = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(seen.is_ok(), "{what}: {:?}", self.found());
    }
}

fn asks_for(replicas: i32) -> impl Fn(&Sought<Arc<NodePool>>) -> bool {
    move |found| {
        found
            .found()
            .is_some_and(|pool| pool.spec.replicas == Some(replicas))
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_appears_is_picked_up_and_its_changes_wake() {
    let mut world = World::without();
    world
        .until("missing", |found| *found == Sought::KindMissing)
        .await;
    world.server.define();
    world
        .until("absent", |found| *found == Sought::Absent)
        .await;
    world.server.put("ADDED", &pool("workers", 3));
    world.until("three", asks_for(3)).await;
    world.server.put("MODIFIED", &pool("workers", 5));
    world.until("five", asks_for(5)).await;
    world.server.put("DELETED", &pool("workers", 5));
    world.until("gone", |found| *found == Sought::Absent).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_pool_that_goes_with_its_kind_was_not_deleted() {
    let going = || {
        let mut going = pool("workers", 3);
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        going
    };
    for (kind, told) in [("DELETED", pool("workers", 3)), ("MODIFIED", going())] {
        let mut world = World::with(&[pool("workers", 3)]);
        world.until("three", asks_for(3)).await;
        world.server.begin_removal();
        world.server.put(kind, &told);
        world
            .until("the kind is missing", |found| {
                assert_ne!(*found, Sought::Absent, "{kind}");
                assert!(!found.found().is_some_and(|pool| pool.meta.deleting));
                *found == Sought::KindMissing
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_pool_of_a_kind_that_was_made_anew_was_not_deleted() {
    let mut world = World::with(&[pool("workers", 3)]);
    world.until("three", asks_for(3)).await;
    world.server.make_anew();
    let mut going = pool("workers", 3);
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    world
        .server
        .change(|state| state.tell("nodepools", "MODIFIED", &going));
    world
        .until("gone without a deletion", |found| {
            assert!(!found.found().is_some_and(|pool| pool.meta.deleting));
            *found == Sought::Absent
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_said_and_read_once_it_may_be() {
    let mut world = World::without();
    world.server.change(|state| state.forbidden = true);
    world.server.define();
    world.server.put("ADDED", &pool("workers", 3));
    world
        .until("forbidden", |found| {
            *found
                == Sought::Unreadable(
                    "NodePool: watching the objects: nodepools is forbidden".into(),
                )
        })
        .await;
    world.server.change(|state| state.forbidden = false);
    world.until("three", asks_for(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_away_for_long_is_believed_no_more_and_seen_anew_when_it_is_back() {
    let mut world = World::with(&[pool("workers", 3)]);
    world.until("three", asks_for(3)).await;
    let seen_since = |world: &World| world.hub.node_pools.lock().seen_since();
    assert_eq!(seen_since(&world), None, "it was never away");
    world.server.leave();
    world
        .until("away", |found| matches!(found, Sought::Unreadable(_)))
        .await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    let back = now();
    world.server.change(|state| state.away = false);
    world.server.put("MODIFIED", &pool("workers", 4));
    world.until("four", asks_for(4)).await;
    assert!(seen_since(&world).is_some_and(|since| since >= back));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_away_for_a_moment_is_still_believed() {
    let mut world = World::with(&[pool("workers", 3)]);
    world.until("three", asks_for(3)).await;
    world.server.leave();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(world.found().found().is_some());
    world.server.change(|state| state.away = false);
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.server.put("MODIFIED", &pool("workers", 4));
    world.until("four", asks_for(4)).await;
    assert_eq!(world.hub.node_pools.lock().seen_since(), None);
}

#[tokio::test(start_paused = true)]
async fn one_malformed_node_pool_does_not_stop_the_others() {
    let mut malformed = pool("other", 1);
    malformed["spec"]["replicas"] = "many".into();
    let mut world = World::with(&[malformed, pool("workers", 3)]);
    world.until("three", asks_for(3)).await;
    let mut malformed = pool("workers", 1);
    malformed["spec"]["replicas"] = "many".into();
    world.server.put("MODIFIED", &malformed);
    world
        .until("unreadable", |found| matches!(found, Sought::Unreadable(_)))
        .await;
}

#[tokio::test(start_paused = true)]
async fn other_node_pools_wake_nobody() {
    let mut world = World::with(&[pool("workers", 3)]);
    world.until("three", asks_for(3)).await;
    while world.woken.try_recv().is_ok() {}
    world.server.put("ADDED", &pool("other", 3));
    let is_there = || {
        let shelf = world.hub.node_pools.lock();
        shelf.get("clusters", "other").is_some()
    };
    while !is_there() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(world.woken.try_recv().is_err(), "another's node pool");
    world.server.put("MODIFIED", &pool("workers", 4));
    world.until("four", asks_for(4)).await;
}

/// A hub with this template, and who is woken.
fn hub_of(
    change: &Value,
    agent: &str,
) -> (Hub, UnboundedReceiver<ObjectRef<VMwareNodePoolTemplate>>) {
    let (wake, woken) = unbounded_channel();
    let hub = Hub::new(crate::hub::IngressCa::default(), wake, now);
    hub.furnish();
    let mut template = template(change);
    let entry = crate::crd::VmStatus {
        agent_name: agent.into(),
        ..Default::default()
    };
    template.status.get_or_insert_default().vm_status = vec![entry];
    let mut writer = Writer::default();
    hub.templates(writer.as_reader());
    writer.apply_watcher_event(&Event::Apply(template));
    (hub, woken)
}

#[test]
fn whoever_knows_an_agent_is_woken_by_it_wherever_it_is() {
    let of_pool = json!({"testMode": false, "nodePoolRef": {"name": "workers"}});
    let test = json!({});
    let east = json!({
        "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster",
        "metadata": {"name": "east", "namespace": "clusters"},
        "spec": {"platform": {"type": "Agent", "agent": {"agentNamespace": "agents"}}},
    });
    for (why, change, known, namespace, name, wakes) in [
        ("its own", &of_pool, "a", "agents", "a", true),
        ("a new one of the pool", &of_pool, "a", "agents", "b", true),
        ("its own elsewhere", &of_pool, "a", "elsewhere", "a", true),
        (
            "anybody's elsewhere",
            &of_pool,
            "a",
            "elsewhere",
            "b",
            false,
        ),
        (
            "its own from before test mode",
            &test,
            "a",
            "agents",
            "a",
            true,
        ),
        ("anybody's in test mode", &test, "a", "agents", "b", false),
        ("none in test mode", &test, "", "agents", "b", false),
    ] {
        let (hub, mut woken) = hub_of(change, known);
        hub.shelve(&pool("workers", 1));
        hub.shelve(&east);
        hub.wake_for(Kind::Agent, &[(namespace.into(), name.into())]);
        assert_eq!(woken.try_recv().is_ok(), wakes, "{why}");
        assert!(woken.try_recv().is_err(), "{why}: once");
    }
}

#[test]
fn who_may_have_agents_is_woken_when_they_can_be_looked_at_again() {
    for (known, wakes) in [("a", true), ("", false)] {
        let (hub, mut woken) = hub_of(&json!({}), known);
        hub.wake_all();
        assert_eq!(woken.try_recv().is_ok(), wakes, "{known}");
    }
}
