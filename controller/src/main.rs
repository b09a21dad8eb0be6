//! Starts the controller: arguments, logs, wiring, shutdown.

mod args;

use anyhow::{Context as _, anyhow};
use args::Args;
use clap::Parser as _;
use contract::telemetry::{
    endpoint::{self, Answers, Bind, Endpoint},
    logs,
    rpc::RpcMetrics,
    traces::Traces,
};
use controller::{
    context::{Context, Program},
    driver::{Caller, GrpcDriver, Transport},
    hub::IngressCa,
    leader::{Leases, Pace, Place},
    metrics::Metrics,
    run::run,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt as _};
use prometheus_client::registry::Registry;
use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::timeout,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Logging out must not hold up the end for longer.
const GRACE: Duration = Duration::from_secs(5);

/// Gives freed memory back to the system, as `.cargo/config.toml` has it do.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let traces = match Traces::to("hcp-vsphere-controller", args.otlp_endpoint.as_deref()) {
        Ok(traces) => traces,
        Err(error) => Args::refuse("--otlp-endpoint", &error),
    };
    logs::start(args.log.clone(), args.log_format, &traces);
    let provider = rustls::crypto::ring::default_provider();
    provider
        .install_default()
        .ok()
        .context("a TLS provider was installed before")?;
    let outcome = control(args).await;
    if let Err(error) = &outcome {
        let error = format!("{error:#}");
        tracing::error!(error, "Ending");
    }
    traces.end().await;
    outcome
}

async fn control(args: Args) -> anyhow::Result<()> {
    let stop = stop_on_signals()?;
    let rpc = RpcMetrics::of(&[contract::DESCRIPTORS]).context("reading the contract")?;
    let driver = GrpcDriver::new(transport(&args)?, rpc.clone()).context("--driver-endpoint")?;
    let client = Client::try_default()
        .await
        .context("finding the API server")?;
    let metrics = Metrics::default();
    let ready = serve_http(&args, &metrics, &rpc).await?;
    let hub_id = match args.hub_id.clone() {
        Some(hub_id) => hub_id,
        None => hub_id(&client).await?,
    };
    tracing::info!(hub_id, version = env!("CARGO_PKG_VERSION"), "Starting");
    ready.store(true, Ordering::Relaxed);

    let leases = args.leader_elect.then(|| leases(&args, &client, &hub_id));
    let epoch = match &leases {
        None => None,
        Some(leases) => {
            let Some(epoch) = leases.acquire(&stop).await else {
                return Ok(());
            };
            Some(epoch)
        }
    };
    metrics.leads(true);
    let work = Work {
        client,
        metrics,
        driver,
        leases,
        scale_down_grace: args.scale_down_grace,
        ingress_ca: args.ingress_ca,
        stop,
    };
    let outcome = work.lead(Caller { hub_id, epoch }).await;
    if let (Ok(()), Some(leases)) = (&outcome, &work.leases) {
        leases.release().await;
    }
    tracing::info!("Stopped");
    outcome
}

/// What a leader works with.
struct Work {
    client: Client,
    metrics: Metrics,
    driver: GrpcDriver,
    leases: Option<Leases>,
    scale_down_grace: SignedDuration,
    ingress_ca: IngressCa,
    stop: CancellationToken,
}

/// Why a leader's epoch is over.
enum Over {
    Stopped,
    Lost,
    /// The driver has seen this one, which is later.
    Challenged(i32),
}

impl Work {
    /// Acts until it is asked to stop, or another leads.
    async fn lead(&self, mut caller: Caller) -> anyhow::Result<()> {
        loop {
            match self.act(caller.clone()).await {
                Over::Stopped => return Ok(()),
                Over::Lost => return Err(anyhow!("the right to act was lost")),
                Over::Challenged(highest) => {
                    caller.epoch = Some(self.raise(highest).await?);
                }
            }
        }
    }

    /// Acts in one epoch. All that was learned in it goes with it.
    async fn act(&self, caller: Caller) -> Over {
        let (wake, woken) = mpsc::unbounded_channel();
        let program = Program {
            client: self.client.clone(),
            caller,
            metrics: self.metrics.clone(),
            wake,
            scale_down_grace: self.scale_down_grace,
            ingress_ca: self.ingress_ca.clone(),
            now,
        };
        let context = Arc::new(Context::new(program, self.driver.clone()));
        let woken = UnboundedReceiverStream::new(woken);
        let over = tokio::select! {
            () = run(context.clone(), woken, self.stop.clone().cancelled_owned()) => Over::Stopped,
            () = lost(self.leases.as_ref()) => Over::Lost,
            highest = context.links.challenged() => Over::Challenged(highest),
        };
        if timeout(GRACE, context.links.stop()).await.is_err() {
            tracing::warn!("Logging out took too long");
        }
        over
    }

    /// The next epoch, above one that the driver has seen, if the Lease is still ours.
    async fn raise(&self, highest: i32) -> anyhow::Result<i32> {
        let raised = match &self.leases {
            Some(leases) => leases.raise(highest).await,
            None => None,
        };
        raised.ok_or_else(|| anyhow!("another leader has taken over"))
    }
}

/// Serves metrics and probes; the probe for readiness answers by the flag that is returned.
async fn serve_http(
    args: &Args,
    metrics: &Metrics,
    rpc: &RpcMetrics,
) -> anyhow::Result<Arc<AtomicBool>> {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    rpc.register(registry.sub_registry_with_prefix("vmware_nodepool_driver"));
    let answers = endpoint::metrics(registry);
    let served = serve("metrics", args.metrics_bind_address, answers).await;
    served.context("--metrics-bind-address")?;

    let ready = Arc::new(AtomicBool::new(false));
    let flag = ready.clone();
    let answers = endpoint::probes(move || flag.load(Ordering::Relaxed));
    let served = serve("health", args.health_probe_bind_address, answers).await;
    served.context("--health-probe-bind-address")?;
    Ok(ready)
}

/// Answers until the program ends, if there is an address.
async fn serve(name: &'static str, bind: Bind, answers: Answers) -> io::Result<()> {
    if let Bind(Some(address)) = bind {
        tokio::spawn(Endpoint::bind(name, address).await?.serve(answers));
    }
    Ok(())
}

fn leases(args: &Args, client: &Client, hub_id: &str) -> Leases {
    let namespace = args.lease_namespace.as_deref();
    let namespace = namespace.unwrap_or_else(|| client.default_namespace());
    let identity = format!("{hub_id}_{}", Uuid::new_v4());
    let place = Place {
        namespace,
        identity: &identity,
        pace: Pace::new(args.lease_duration),
    };
    Leases::new(client, &place, now)
}

/// Returns when a Lease is lost; never without one.
async fn lost(leases: Option<&Leases>) {
    match leases {
        Some(leases) => leases.hold().await,
        None => std::future::pending().await,
    }
}

fn transport(args: &Args) -> anyhow::Result<Transport> {
    let files = [&args.driver_ca, &args.driver_certificate, &args.driver_key];
    let read = |path: &std::path::PathBuf| {
        fs::read(path).with_context(|| format!("reading {}", path.display()))
    };
    let tls = match files {
        [Some(ca), Some(certificate), Some(key)] => {
            Some((read(ca)?, read(certificate)?, read(key)?))
        }
        _ => None,
    };
    Ok(Transport {
        endpoint: args.driver_endpoint.clone(),
        tls,
        server_name: args.driver_server_name.clone(),
    })
}

async fn hub_id(client: &Client) -> anyhow::Result<String> {
    let namespace = Api::<Namespace>::all(client.clone())
        .get("kube-system")
        .await
        .context(
            "reading the namespace kube-system, whose UID is the hub's id (or give --hub-id)",
        )?;
    namespace
        .uid()
        .context("the namespace kube-system has no UID")
}

fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stopped = stop.clone();
    tokio::spawn(async move {
        let cause = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        };
        tracing::info!(cause, "Stopping");
        stopped.cancel();
    });
    Ok(stop)
}

#[expect(clippy::disallowed_methods, reason = "the one clock of the program")]
fn now() -> Timestamp {
    Timestamp::now()
}
