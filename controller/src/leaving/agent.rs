//! Fences the Agent of a machine that leaves, looks at it again, deletes it and lets it go.
//!
//! Each write rests on a reading of this moment, and is refused by the API server if anybody wrote since.

use super::{
    course::{Burial, Look, burial},
    release::{AgentView, Health, Sighting, standing},
};
use crate::{
    agents::approval::VERSION,
    context::CONTROLLER,
    crd::{AGENT_FINALIZER, BINDING_LABEL, MANAGED_BY_LABEL},
    kinds::{Kind, agent::AGENT_MACHINE_REF},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::ApiResource,
};
use serde_json::{Map, Value, json};

/// Labels that say whose an Agent is, and by which nobody selects.
const MARKS: [&str; 2] = [MANAGED_BY_LABEL, BINDING_LABEL];
/// What we may have chosen for the host, and is not taken back.
const CHOICES: [&str; 2] = ["hostname", "installation_disk_id"];

/// Why an Agent could not be dealt with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It could not be read.
    #[error("reading the Agent")]
    Read(#[source] kube::Error),
    /// They could not be listed.
    #[error("listing the Agents")]
    List(#[source] kube::Error),
    /// It could not be changed.
    #[error("changing the Agent")]
    Write(#[source] kube::Error),
    /// It could not be deleted.
    #[error("deleting the Agent")]
    Delete(#[source] kube::Error),
    /// There is one for a machine that was thought to have none.
    #[error("the machine has an Agent that has just registered, and may be in use")]
    Registered,
    /// Somebody approves it again and again.
    #[error("somebody approved the Agent again while its machine leaves")]
    Approved,
}

impl Error {
    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        let error = match self {
            Self::Read(error) | Self::List(error) | Self::Write(error) | Self::Delete(error) => {
                error
            }
            Self::Registered => return "Wait",
            Self::Approved => {
                return "Have whoever approves Agents leave those alone whose machines go";
            }
        };
        match error {
            kube::Error::Api(status) if status.is_conflict() => {
                "Somebody wrote at the same moment. Wait"
            }
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
                "Let the controller get, list, patch and delete Agents"
            }
            kube::Error::Api(_) => {
                "The API server, or a webhook of the hub, says what it objects to"
            }
            _ => "The API server cannot be reached. Wait",
        }
    }
}

/// Where an Agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Whether a live `AgentMachine` names it.
    pub(crate) referred: bool,
    /// Whether it was bound once.
    pub(crate) was_bound: bool,
}

/// Withdraws the Agent, so that nobody takes it any more, and looks whether somebody was faster.
///
/// # Guarantees
///
/// Where the Agent is found [`Look::Clear`], nobody takes it because of an older reading, however old that is:
/// the Cluster API provider binds by an update of the whole Agent, which the API server refuses once the
/// withdrawal is written, and its `AgentMachine` names the Agent only after that. So nothing has to be waited
/// for. Who binds by a patch that rests on no version, as a person with `kubectl` does, is not refused: what was
/// found counts only for what is done next, and is to be found out again for all that is done later.
pub(crate) async fn fence(client: &Client, place: &Place) -> Result<Look, Error> {
    let agents = api(client, place);
    let Some(agent) = read(&agents, place).await? else {
        return Ok(Look::Clear);
    };
    if view(&agent).is_tied() {
        return Ok(Look::Taken);
    }
    if !is_offered(&agent) {
        return Ok(Look::Clear);
    }
    let params = PatchParams::apply(CONTROLLER).force();
    let patch = Patch::Apply(withdrawn(&agent));
    let written = agents.patch(&place.name, &params, &patch).await;
    written.map_err(Error::Write)?;
    match read(&agents, place).await? {
        Some(agent) if view(&agent).is_tied() => Ok(Look::Taken),
        Some(agent) if is_approved(&agent) => Err(Error::Approved),
        Some(_) | None => Ok(Look::Clear),
    }
}

/// Deletes the Agent of a machine that is gone, then lets it go.
pub(crate) async fn bury(client: &Client, place: &Place) -> Result<(), Error> {
    let agents = api(client, place);
    // Once to delete it, once to let it go.
    for _ in 0..2 {
        let Some(agent) = read(&agents, place).await? else {
            return Ok(());
        };
        let seen = view(&agent);
        let sighting = Sighting::There(&seen);
        match burial(
            sighting,
            standing(place.was_bound, sighting, place.referred),
        ) {
            Burial::Wait | Burial::Done => return Ok(()),
            Burial::Delete => delete(&agents, &agent).await?,
            Burial::LetGo => return unhold(&agents, &agent).await,
        }
    }
    Ok(())
}

/// Takes our finalizer off the Agent, whatever becomes of its machine.
pub(crate) async fn let_go(client: &Client, place: &Place) -> Result<(), Error> {
    let agents = api(client, place);
    match read(&agents, place).await? {
        Some(agent) => unhold(&agents, &agent).await,
        None => Ok(()),
    }
}

fn api(client: &Client, place: &Place) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &place.namespace, &kind())
}

fn kind() -> ApiResource {
    Kind::Agent.resource(VERSION)
}

async fn read(agents: &Api<DynamicObject>, place: &Place) -> Result<Option<DynamicObject>, Error> {
    agents.get_opt(&place.name).await.map_err(Error::Read)
}

async fn delete(agents: &Api<DynamicObject>, agent: &DynamicObject) -> Result<(), Error> {
    let params = DeleteParams::default().preconditions(Preconditions {
        uid: agent.uid(),
        resource_version: agent.resource_version(),
    });
    match agents.delete(&agent.name_any(), &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        deleted => deleted.map(drop).map_err(Error::Delete),
    }
}

async fn unhold(agents: &Api<DynamicObject>, agent: &DynamicObject) -> Result<(), Error> {
    let mut finalizers = agent.finalizers().to_vec();
    finalizers.retain(|name| name != AGENT_FINALIZER);
    if finalizers.len() == agent.finalizers().len() {
        return Ok(());
    }
    let patch = Patch::Merge(json!({"metadata": {
        "uid": agent.uid(),
        "resourceVersion": agent.resource_version(),
        "finalizers": finalizers,
    }}));
    let params = PatchParams::default();
    match agents
        .patch_metadata(&agent.name_any(), &params, &patch)
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        written => written.map(drop).map_err(Error::Write),
    }
}

fn is_approved(agent: &DynamicObject) -> bool {
    agent.data["spec"]["approved"] == true
}

/// Somebody could take it: it is approved, or bears labels of ours by which it may be selected.
fn is_offered(agent: &DynamicObject) -> bool {
    let ours = ours(agent);
    let labels = ours
        .pointer("/f:metadata/f:labels")
        .and_then(Value::as_object);
    let mut labels = labels.into_iter().flat_map(Map::keys);
    is_approved(agent) || labels.any(|field| !MARKS.contains(&field.trim_start_matches("f:")))
}

/// What we apply to an Agent that is not to be taken: no approval, and no label by which it is selected. What
/// others have set stays.
fn withdrawn(agent: &DynamicObject) -> Value {
    let ours = ours(agent);
    let has = |pointer: String| ours.pointer(&pointer).is_some();
    let labels = MARKS.iter().filter_map(|mark| {
        // In a pointer, a slash is written so.
        let mine = has(format!(
            "/f:metadata/f:labels/f:{}",
            mark.replace('/', "~1")
        ));
        let value = agent.labels().get(*mark).filter(|_| mine)?;
        Some(((*mark).to_owned(), Value::from(value.as_str())))
    });
    let choices = CHOICES.iter().filter_map(|field| {
        let value = agent.data["spec"].get(*field)?;
        has(format!("/f:spec/f:{field}")).then(|| ((*field).to_owned(), value.clone()))
    });
    let mut spec: Map<_, _> = choices.collect();
    // Where somebody else has taken it back, it must not become ours: what is ours we would give again.
    if is_approved(agent) || has("/f:spec/f:approved".into()) {
        spec.insert("approved".into(), false.into());
    }
    // To what is being deleted the API server lets nobody add one.
    let may_hold = agent.metadata.deletion_timestamp.is_none() || is_held(agent);
    let finalizers = may_hold.then_some(AGENT_FINALIZER);
    json!({
        "apiVersion": kind().api_version,
        "kind": kind().kind,
        "metadata": {
            "name": agent.name_any(),
            "namespace": agent.namespace(),
            "uid": agent.uid(),
            "resourceVersion": agent.resource_version(),
            "labels": Value::Object(labels.collect()),
            "finalizers": finalizers.as_slice(),
        },
        "spec": spec,
    })
}

/// Our finalizer holds it.
fn is_held(agent: &DynamicObject) -> bool {
    let mut finalizers = agent.finalizers().iter();
    finalizers.any(|name| name == AGENT_FINALIZER)
}

/// The fields that we have applied.
fn ours(agent: &DynamicObject) -> &Value {
    let managers = agent.managed_fields().iter();
    let mut ours = managers.filter(|entry| {
        entry.manager.as_deref() == Some(CONTROLLER) && entry.operation.as_deref() == Some("Apply")
    });
    let fields = ours.next().and_then(|entry| entry.fields_v1.as_ref());
    fields.map_or(&Value::Null, |fields| &fields.0)
}

/// The Agent, as far as it matters for leaving.
fn view(agent: &DynamicObject) -> AgentView {
    let text = |pointer: &str| {
        let value = agent.data.pointer(pointer).and_then(Value::as_str);
        value.map(ToOwned::to_owned)
    };
    let state = text("/status/debugInfo/state").unwrap_or_default();
    let cluster = agent.data.pointer("/spec/clusterDeploymentName");
    AgentView {
        namespace: agent.namespace().unwrap_or_default(),
        name: agent.name_any(),
        uid: agent.uid().unwrap_or_default(),
        cluster: cluster
            .filter(|cluster| !cluster.is_null())
            .map(|_| text("/spec/clusterDeploymentName/name").unwrap_or_default()),
        reserved_by: agent.labels().get(AGENT_MACHINE_REF).cloned(),
        // Nothing is read of it but what is read here.
        unreadable: false,
        leaving: agent.metadata.deletion_timestamp.is_some(),
        held: is_held(agent),
        health: Health::of(&state),
    }
}

#[cfg(test)]
mod tests;
