//! Switches machines: on in batches, off one by one.

use super::job::Job;
use crate::{
    soap::{MoRef, VimFault, power_on::PowerOnResult},
    vcenter::{
        VCenter,
        lane::{Lane, Load},
        state::State,
        tasks::Outcome,
        window::Window,
    },
};
use contract::v1::{Fault, PowerState, Reason, Verb};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

/// Machines in one batch.
const BATCH: usize = 32;
/// How long a batch gathers.
const GATHER: Duration = Duration::from_millis(50);
/// How long a machine is given to be seen on before its own task is looked at.
const GRACE: Duration = Duration::from_secs(1);
/// How many such times it may take from vCenter's success to being seen on.
const UNSEEN: u32 = 60;
/// How long a lost power-on waits for vCenter to come back.
const OUTAGE: Duration = Duration::from_mins(5);
/// How often a power-on whose reply was lost is tried.
const ATTEMPTS: usize = 3;

type Answer = Result<(), Stopped>;

/// Machines that wait to be switched on, or to be seen on.
#[derive(Debug)]
pub struct PowerOns {
    queue: Mutex<Vec<Wanted>>,
    ready: Notify,
    waiting: Mutex<BTreeMap<MoRef, oneshot::Sender<Answer>>>,
    batches: Lane,
}

#[derive(Clone, Debug)]
struct Wanted {
    datacenter: MoRef,
    vm: MoRef,
    operation_id: String,
}

/// Why a machine is not on.
#[derive(Debug)]
enum Stopped {
    /// For good.
    Fault(Box<Fault>),
    /// Nobody knows whether it was tried.
    Lost,
}

impl Default for PowerOns {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            ready: Notify::new(),
            waiting: Mutex::default(),
            batches: Lane::new(Window::new(1, 2, 16)),
        }
    }
}

/// Switches a machine on and notes how that ended.
pub async fn on(job: &Job, datacenter: &MoRef, vm: &MoRef) {
    match switch_on(job, datacenter, vm).await {
        Ok(()) => job.succeed(),
        Err(fault) => job.fail(fault),
    }
}

async fn switch_on(job: &Job, datacenter: &MoRef, vm: &MoRef) -> Result<(), Fault> {
    let vcenter = &job.vcenter;
    for _ in 0..ATTEMPTS {
        if !job.step(Verb::PowerOn) {
            return Err(taken_over());
        }
        let answer = vcenter
            .power_ons
            .ask(vcenter, datacenter, vm, &job.operation_id);
        match answer.await {
            Ok(()) => return Ok(()),
            Err(Stopped::Fault(fault)) => return Err(*fault),
            Err(Stopped::Lost) => {
                // Switching on again what is on does nothing.
                vcenter.wait_until(OUTAGE, State::is_connected).await;
            }
        }
    }
    let what = format!(
        "the reply to switching `{}` on was lost {ATTEMPTS} times",
        job.name
    );
    Err(Fault::new(Reason::OutcomeUnknown, what))
}

/// Why a machine is not switched on whose removal was asked for meanwhile.
fn taken_over() -> Fault {
    Fault::new(Reason::Withdrawn, "the machine is being removed")
}

/// Switches a machine off, hard. One that is off already is done.
pub async fn off(vcenter: &VCenter, vm: &MoRef, name: &str, operation: &str) -> Result<(), Fault> {
    let doing = format!("switching `{name}` off");
    let call = vcenter.session.run(operation, |vim, _| {
        let vm = vm.clone();
        async move { vim.power_off(&vm).await }
    });
    let task = call
        .await
        .map_err(|failure| vcenter.explain(&failure, &doing))?;
    match vcenter.tasks.outcome(&task).await {
        Outcome::Success(_) => Ok(()),
        Outcome::Fault(fault) if fault.existing_state() == Some("poweredOff") => Ok(()),
        Outcome::Fault(fault) => Err(vcenter.explain_vim(&fault, &doing)),
        Outcome::Lost => {
            let what = format!("{doing}: vCenter no longer knows the task");
            Err(Fault::new(Reason::OutcomeUnknown, what))
        }
    }
}

// === impl PowerOns ===

impl PowerOns {
    /// Puts a machine into the next batch and waits until it is seen on, or is not to be.
    async fn ask(&self, vcenter: &VCenter, dc: &MoRef, vm: &MoRef, operation: &str) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.lock_waiting().insert(vm.clone(), answer);
        let operation_id = operation.to_owned();
        let wanted = Wanted {
            datacenter: dc.clone(),
            vm: vm.clone(),
            operation_id,
        };
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(wanted);
        self.ready.notify_one();
        // It may have been seen on before anybody listened for it; what comes is seen by the update loop.
        if vcenter.read(|state| is_on(state, vm)) {
            self.answer(vm, Ok(()));
        }
        answered.await.unwrap_or(Err(Stopped::Lost))
    }

    /// Answers for all machines that are seen on.
    pub fn see(&self, vcenter: &VCenter) {
        let mut waiting = self.lock_waiting();
        if waiting.is_empty() {
            return;
        }
        let on: Vec<_> = vcenter.read(|state| {
            let keys = waiting.keys();
            keys.filter(|vm| is_on(state, vm)).cloned().collect()
        });
        for vm in on {
            if let Some(answer) = waiting.remove(&vm) {
                // Nobody waits any more: then nobody needs to know.
                let _ = answer.send(Ok(()));
            }
        }
    }

    /// A machine is not to be switched on any more.
    pub fn withdraw(&self, vm: &MoRef) {
        self.fail(vm, Stopped::Fault(Box::new(taken_over())));
    }

    /// How much there is to do: batches under way, machines that wait for one.
    pub fn load(&self) -> Load {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        Load {
            waiting: queue.len(),
            ..self.batches.load()
        }
    }

    fn fail(&self, vm: &MoRef, why: Stopped) {
        self.answer(vm, Err(why));
    }

    fn answer(&self, vm: &MoRef, how: Answer) {
        if let Some(answer) = self.lock_waiting().remove(vm) {
            // Nobody waits any more: then nobody needs to know.
            let _ = answer.send(how);
        }
    }

    fn is_waited_for(&self, vm: &MoRef) -> bool {
        self.lock_waiting().contains_key(vm)
    }

    /// The next batches, one datacenter each. Those that were seen on meanwhile are left out.
    fn take(&self) -> Vec<Vec<Wanted>> {
        let queued =
            std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_datacenter = BTreeMap::<MoRef, Vec<Wanted>>::new();
        for wanted in queued
            .into_iter()
            .filter(|wanted| self.is_waited_for(&wanted.vm))
        {
            by_datacenter
                .entry(wanted.datacenter.clone())
                .or_default()
                .push(wanted);
        }
        by_datacenter
            .values()
            .flat_map(|all| all.chunks(BATCH))
            .map(<[_]>::to_vec)
            .collect()
    }

    fn lock_waiting(&self) -> MutexGuard<'_, BTreeMap<MoRef, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_on(state: &State, vm: &MoRef) -> bool {
    state.vm(vm).is_some_and(|vm| vm.power == PowerState::On)
}

/// Sends batches for as long as the vCenter is followed.
pub async fn send_batches(vcenter: Arc<VCenter>) {
    loop {
        vcenter.power_ons.ready.notified().await;
        sleep(GATHER).await;
        for batch in vcenter.power_ons.take() {
            let mut turn = vcenter.power_ons.batches.turn().await;
            let sender = Arc::clone(&vcenter);
            vcenter.spawn(async move {
                if !send(&sender, &batch).await {
                    turn.fail();
                }
                drop(turn);
            });
        }
    }
}

/// Sends one batch and follows it to its end; says whether vCenter took it.
async fn send(vcenter: &Arc<VCenter>, batch: &[Wanted]) -> bool {
    let Some(first) = batch.first() else {
        return true;
    };
    let vms: Vec<_> = batch.iter().map(|wanted| wanted.vm.clone()).collect();
    let doing = "switching machines on";
    let call = vcenter.session.run(&first.operation_id, |vim, _| {
        let (datacenter, vms) = (first.datacenter.clone(), vms.clone());
        async move { vim.power_on(&datacenter, &vms).await }
    });
    let task = match call.await {
        Ok(task) => task,
        Err(failure) if vms.len() > 1 && failure.vim().is_some_and(is_about_one) => {
            return one_by_one(vcenter, batch).await;
        }
        Err(failure) => {
            for vm in &vms {
                let why = if failure.certainly_not_run() {
                    Stopped::Fault(Box::new(vcenter.explain(&failure, doing)))
                } else {
                    Stopped::Lost
                };
                vcenter.power_ons.fail(vm, why);
            }
            return false;
        }
    };
    match vcenter.tasks.outcome(&task).await {
        Outcome::Success(result) => {
            let result = result
                .map(|result| PowerOnResult::of(&result))
                .unwrap_or_default();
            read_result(vcenter, &vms, result);
            true
        }
        Outcome::Fault(fault) if vms.len() > 1 && is_about_one(&fault) => {
            one_by_one(vcenter, batch).await
        }
        Outcome::Fault(fault) => {
            for vm in &vms {
                let fault = vcenter.explain_vim(&fault, doing);
                vcenter.power_ons.fail(vm, Stopped::Fault(Box::new(fault)));
            }
            false
        }
        Outcome::Lost => {
            for vm in &vms {
                vcenter.power_ons.fail(vm, Stopped::Lost);
            }
            false
        }
    }
}

/// Faults that vCenter has with one machine, and refuses the whole batch for.
fn is_about_one(fault: &VimFault) -> bool {
    fault.is("ManagedObjectNotFound") || fault.is("NoPermission")
}

/// Sends each machine of a batch for itself, so that one does not keep the others off.
async fn one_by_one(vcenter: &Arc<VCenter>, batch: &[Wanted]) -> bool {
    for wanted in batch {
        Box::pin(send(vcenter, std::slice::from_ref(wanted))).await;
    }
    true
}

/// The outer task always succeeds: what became of each machine stands in its result.
fn read_result(vcenter: &Arc<VCenter>, vms: &[MoRef], result: PowerOnResult) {
    let PowerOnResult {
        attempted,
        not_attempted,
        recommendations,
    } = result;
    for refused in &not_attempted {
        let fault = vcenter.explain_vim(&refused.fault, "switching a machine on");
        vcenter
            .power_ons
            .fail(&refused.vm, Stopped::Fault(Box::new(fault)));
    }
    for vm in vms {
        let tried = attempted.iter().find(|tried| tried.vm == *vm);
        match tried.map(|tried| tried.task.clone()) {
            _ if !vcenter.power_ons.is_waited_for(vm) => {}
            Some(Some(task)) => vcenter.spawn(follow(Arc::clone(vcenter), vm.clone(), task)),
            Some(None) => vcenter.spawn(expect_on(Arc::clone(vcenter), vm.clone())),
            None => vcenter
                .power_ons
                .fail(vm, Stopped::Fault(Box::new(untried(recommendations)))),
        }
    }
}

fn untried(recommendations: usize) -> Fault {
    if recommendations > 0 {
        let what = "DRS only recommends where to switch the machine on, and started nothing";
        return Fault::new(Reason::DrsNotAttempted, what);
    }
    Fault::new(
        Reason::ObjectGone,
        "vCenter did not try to switch the machine on",
    )
}

/// Follows one machine's own task, which is seldom needed: most are seen on before.
async fn follow(vcenter: Arc<VCenter>, vm: MoRef, task: MoRef) {
    sleep(GRACE).await;
    if !vcenter.power_ons.is_waited_for(&vm) {
        return;
    }
    match vcenter.tasks.outcome(&task).await {
        Outcome::Success(_) => expect_on(vcenter, vm).await,
        Outcome::Fault(fault) if fault.existing_state() == Some("poweredOn") => {
            expect_on(vcenter, vm).await;
        }
        Outcome::Fault(fault) => {
            let fault = vcenter.explain_vim(&fault, "switching a machine on");
            vcenter.power_ons.fail(&vm, Stopped::Fault(Box::new(fault)));
        }
        Outcome::Lost => vcenter.power_ons.fail(&vm, Stopped::Lost),
    }
}

/// vCenter says that it is on: it must be seen so.
async fn expect_on(vcenter: Arc<VCenter>, vm: MoRef) {
    for _ in 0..UNSEEN {
        sleep(GRACE).await;
        if !vcenter.power_ons.is_waited_for(&vm) {
            return;
        }
    }
    let what = "vCenter says that the machine was switched on, and it is not seen on";
    let fault = Fault::new(Reason::InvalidPowerState, what);
    vcenter.power_ons.fail(&vm, Stopped::Fault(Box::new(fault)));
}
