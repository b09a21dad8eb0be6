//! The network between controller and driver: requests go through all of gRPC but its transport, and get
//! lost on the way.

use crate::world::{Life, Shared, World};
use futures::stream;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tonic::{Status, body::Body, codegen::Service, service::Routes};
use tower::ServiceExt as _;
use vsphere_driver::edge::client::{Client, Hubs};

const USUAL: Duration = Duration::from_millis(10);
const LATE: Duration = Duration::from_secs(9);
/// As a client gives up.
const DEADLINE: Duration = Duration::from_secs(10);

/// Where the driver can be reached, while one runs.
#[derive(Clone, Default)]
pub(crate) struct Address(Arc<Mutex<Option<(Routes, Life)>>>);

/// The way of one controller to the driver.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) shared: Shared,
    pub(crate) life: Life,
    pub(crate) address: Address,
    pub(crate) controller: u32,
}

/// What becomes of a call.
struct Trip {
    there: Duration,
    back: Duration,
    /// It never arrives, and is given up after this time.
    lost: Option<Duration>,
    reply_lost: bool,
}

impl Address {
    pub(crate) fn listen(&self, routes: Routes, life: Life) {
        *self.0.lock().unwrap() = Some((routes, life));
    }

    pub(crate) fn close(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn connect(&self) -> Option<(Routes, Life)> {
        self.0.lock().unwrap().clone()
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move { wire.send(request).await })
    }
}

impl Wire {
    async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        self.life.check().await;
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let method = method.to_owned();
        let trip = self.shared.with(|world| {
            let now = world.now();
            world.judge.rpc(&method, now);
            world.rpcs += 1;
            Trip::new(world)
        });
        if let Some(wait) = trip.lost {
            self.note(&method, ": lost");
            self.life.sleep(wait).await;
            return Err(Status::unavailable("lost"));
        }
        self.life.sleep(trip.there).await;
        let Some((routes, driver)) = self.address.connect() else {
            self.note(&method, ": refused");
            return Err(Status::unavailable("refused"));
        };
        // As the gate of the driver does it for a client on its list.
        let client = Client::new("controller", Hubs::All);
        request.extensions_mut().insert(client);
        self.note(&method, "");
        let gone = driver.token();
        let reply = tokio::select! {
            biased;
            () = gone.cancelled() => {
                self.life.check().await;
                return Err(Status::unavailable("the driver is gone"));
            }
            reply = routes.oneshot(request) => reply.unwrap_or_else(|never| match never {}),
        };
        self.life.sleep(trip.back).await;
        if trip.reply_lost {
            self.note(&method, ": reply lost");
            return Err(Status::unavailable("reply lost"));
        }
        if let Some(status) = Status::from_header_map(reply.headers())
            && status.code() != tonic::Code::Ok
        {
            self.note(&method, &format!(": {:?}", status.code()));
        }
        let streams = method.starts_with("Watch");
        Ok(reply.map(|body| {
            if streams {
                self.carry(body, driver)
            } else {
                body
            }
        }))
    }

    fn note(&self, method: &str, how: &str) {
        let who = self.controller;
        self.shared.note(format!("controller {who}: {method}{how}"));
    }

    /// The messages of a stream, which ends with the driver, and breaks now and then.
    fn carry(&self, body: Body, driver: Life) -> Body {
        let wire = self.clone();
        let frames = stream::unfold(
            (body, wire, driver),
            |(mut body, wire, driver)| async move {
                let gone = driver.token();
                let frame = tokio::select! {
                    biased;
                    () = gone.cancelled() => None,
                    frame = body.frame() => Some(frame?),
                };
                let (breaks, late) = wire.shared.with(|world| {
                    let weather = world.weather.clone();
                    let most = if world.chance(weather.rpc_slow) {
                        LATE
                    } else {
                        USUAL
                    };
                    (world.chance(weather.stream_breaks), world.time(most))
                });
                wire.life.sleep(late).await;
                let frame = match frame {
                    Some(frame) if !breaks => frame,
                    _ => Err(Status::unavailable("the stream broke")),
                };
                Some((frame, (body, wire, driver)))
            },
        );
        Body::new(StreamBody::new(frames))
    }
}

// === impl Trip ===

impl Trip {
    fn new(world: &mut World) -> Self {
        let weather = world.weather.clone();
        let most = if world.chance(weather.rpc_slow) {
            LATE
        } else {
            USUAL
        };
        let lost = world.chance(weather.rpc_lost);
        Self {
            there: world.time(most),
            back: world.time(most),
            lost: lost.then(|| world.time(DEADLINE)),
            reply_lost: world.chance(weather.rpc_reply_lost),
        }
    }
}
