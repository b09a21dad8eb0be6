//! The two processes under test: killed, they leave nothing behind but what they did to the world.

use crate::{
    hub,
    vcenter::Client,
    wire::{Address, Wire},
    world::{Life, Shared},
};
use contract::v1::{
    isos_server::IsosServer, v_centers_server::VCentersServer,
    virtual_machines_server::VirtualMachinesServer,
};
use controller::{
    context::{Context, Program},
    driver::{Caller, GrpcDriver},
    metrics::Metrics,
    run::run,
};
use jiff::{SignedDuration, Timestamp};
use std::{cell::Cell, sync::Arc};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use vsphere_driver::{
    core::Core,
    grpc::{IsosService, VCentersService, VirtualMachinesService},
    iso::store::Store,
    soap::{Server, Trust},
    vim::{Connect, Vim},
};

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A schedule begins on this thread.
pub(crate) fn start_clock() {
    START.set(Some(Instant::now()));
}

/// The controller's clock, which moves with tokio's.
fn now() -> Timestamp {
    let passed = START
        .get()
        .map_or_else(Default::default, |start| start.elapsed());
    Timestamp::UNIX_EPOCH + SignedDuration::try_from(passed).unwrap()
}

/// A driver that runs.
pub(crate) struct Driver {
    pub(crate) run: u32,
    core: Arc<Core>,
    life: Life,
    address: Address,
}

/// A controller that runs.
pub(crate) struct Controller {
    pub(crate) epoch: u32,
    life: Life,
    context: Arc<Context<GrpcDriver<Wire>>>,
    running: JoinHandle<()>,
}

impl Driver {
    pub(crate) fn start(shared: &Shared, address: &Address, number: u32) -> Self {
        let life = Life::default();
        let (world, of) = (shared.clone(), life.clone());
        let connect: Connect = Arc::new(move |server: &Server, _: &Trust| {
            let client = Client::new(world.clone(), of.clone(), number, server.clone());
            Ok(Arc::new(client) as Vim)
        });
        let (health, _) = tonic_health::server::health_reporter();
        let core = Arc::new(Core::over(connect, format!("run-{number}"), health));
        let store: Arc<Store> = Arc::default();
        let routes = Routes::new(VCentersServer::new(VCentersService::new(core.clone())))
            .add_service(VirtualMachinesServer::new(VirtualMachinesService::new(
                core.clone(),
                Arc::clone(&store),
            )))
            .add_service(IsosServer::new(IsosService::new(core.clone(), store)));
        shared.note(format!("driver {number} starts"));
        address.listen(routes, life.clone());
        Self {
            run: number,
            core,
            life,
            address: address.clone(),
        }
    }

    /// It is killed.
    pub(crate) fn kill(self) {
        self.address.close();
        self.life.end();
        for vcenter in self.core.all() {
            vcenter.stop.cancel();
        }
    }

    /// It ends in order.
    pub(crate) async fn stop(self) {
        self.address.close();
        self.core.shutdown().await;
        self.life.end();
    }
}

impl Controller {
    pub(crate) fn start(shared: &Shared, address: &Address, epoch: u32) -> Self {
        let life = Life::default();
        let (wake, woken) = mpsc::unbounded_channel();
        let program = Program {
            client: hub::client(shared.clone(), life.clone()),
            caller: Caller {
                hub_id: hub::ID.into(),
                epoch: i32::try_from(epoch).ok(),
            },
            metrics: Metrics::default(),
            wake,
            scale_down_grace: SignedDuration::from_mins(5),
            ingress_ca: controller::hub::IngressCa::default(),
            now,
        };
        let wire = Wire {
            shared: shared.clone(),
            life: life.clone(),
            address: address.clone(),
            controller: epoch,
        };
        let context = Arc::new(Context::new(program, GrpcDriver::over(wire)));
        shared.note(format!("controller {epoch} starts"));
        let woken = UnboundedReceiverStream::new(woken);
        let stop = life.token().cancelled_owned();
        let (working, ended) = (context.clone(), life.clone());
        let running = tokio::spawn(async move {
            tokio::select! {
                biased;
                () = run(working.clone(), woken, stop) => {}
                _ = working.links.challenged() => ended.end(),
            }
        });
        Self {
            epoch,
            life,
            context,
            running,
        }
    }

    /// The driver has heard of a later one.
    pub(crate) fn is_deposed(&self) -> bool {
        self.life.is_over()
    }

    /// It is killed.
    pub(crate) fn kill(self) {
        self.life.end();
        self.running.abort();
        // Ends its tasks; what they would still say reaches nobody.
        let context = self.context;
        tokio::spawn(async move { context.links.stop().await });
    }
}
