//! A hub in memory: templates, a Secret, and an API server whose watches are late and break, and whose
//! writes meet others and lose their replies.

mod api;

pub(crate) use api::client;

use contract::identity::MachineKey;
use controller::crd::{VMwareNodePoolTemplate, VMwareNodePoolTemplateStatus};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The hub's id.
pub(crate) const ID: &str = "hub";
/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "clusters";
/// A finalizer of somebody else, which keeps a template for a while.
pub(crate) const OTHER_FINALIZER: &str = "example.com/keep";

/// All that the hub stores.
pub(crate) struct State {
    pub(crate) templates: BTreeMap<String, Value>,
    /// Grows with each write.
    pub(crate) version: u64,
    /// What happened, for watches: version, kind of event, object.
    log: Vec<(u64, &'static str, Value)>,
    /// The key behind each instance UUID, of all templates that ever were.
    keys: BTreeMap<String, MachineKey>,
    made: u32,
    /// When our controllers wrote, for each template.
    pub(crate) writes: u64,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            templates: BTreeMap::new(),
            version: 1,
            log: Vec::new(),
            keys: BTreeMap::new(),
            made: 0,
            writes: 0,
        }
    }

    /// A user makes a template.
    pub(crate) fn create(&mut self, name: &str, replicas: u32, quota: Option<u32>) {
        self.made += 1;
        let uid = format!("uid-{}", self.made);
        self.learn_keys(&uid);
        let template = json!({
            "apiVersion": "vmware.hcp.open-cluster-management.io/v1alpha1",
            "kind": "VMwareNodePoolTemplate",
            "metadata": {
                "name": name, "namespace": NAMESPACE, "uid": uid, "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "agentISO": {"type": "datastore", "datastorePath": "[ds] iso/agent.iso"},
                "nodePoolRef": {"name": ""},
                "testMode": true,
                "replicas": replicas,
                "quota": {"maxVms": quota},
                "vmTemplate": {"datacenter": "DC0", "datastore": "ds", "network": "net", "numCPUs": 2},
            },
        });
        self.store("ADDED", name, template);
    }

    fn learn_keys(&mut self, uid: &str) {
        for slot in 1..=60 {
            let key = MachineKey {
                hub_id: ID.into(),
                owner_uid: uid.into(),
                slot,
            };
            self.keys.insert(key.instance_uuid().to_string(), key);
        }
    }

    /// The key that an instance UUID was made of.
    pub(crate) fn key_of(&self, instance_uuid: &str) -> Option<MachineKey> {
        self.keys.get(instance_uuid).cloned()
    }

    /// A user changes the spec.
    pub(crate) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        if let Some(mut template) = self.templates.get(name).cloned() {
            change(&mut template["spec"]);
            let generation = template["metadata"]["generation"].as_i64().unwrap_or(1);
            template["metadata"]["generation"] = (generation + 1).into();
            self.store("MODIFIED", name, template);
        }
    }

    /// Somebody else changes the metadata.
    pub(crate) fn touch(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        if let Some(mut template) = self.templates.get(name).cloned() {
            change(&mut template["metadata"]);
            self.store("MODIFIED", name, template);
        }
    }

    /// A user deletes a template; it goes once its finalizers are gone.
    pub(crate) fn delete(&mut self, name: &str) {
        if let Some(mut template) = self.templates.get(name).cloned()
            && template["metadata"]["deletionTimestamp"].is_null()
        {
            let generation = template["metadata"]["generation"].as_i64().unwrap_or(1);
            template["metadata"]["generation"] = (generation + 1).into();
            template["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            self.store("MODIFIED", name, template);
        }
    }

    /// Somebody else lets a template go.
    pub(crate) fn let_go(&mut self, name: &str) {
        self.touch(name, |metadata| {
            if let Some(finalizers) = metadata["finalizers"].as_array_mut() {
                finalizers.retain(|name| name != OTHER_FINALIZER);
            }
        });
    }

    /// The template of this name, as it is stored.
    pub(crate) fn template(&self, name: &str) -> Option<VMwareNodePoolTemplate> {
        let stored = self.templates.get(name)?;
        Some(serde_json::from_value(stored.clone()).unwrap())
    }

    /// The name of the template with this UID.
    pub(crate) fn name_of(&self, uid: &str) -> Option<&str> {
        let found = self
            .templates
            .iter()
            .find(|(_, template)| template["metadata"]["uid"] == uid);
        found.map(|(name, _)| name.as_str())
    }

    /// The status of the template with this UID, if there is such a template.
    pub(crate) fn status_of(&self, uid: &str) -> Option<VMwareNodePoolTemplateStatus> {
        let template = self.templates.get(self.name_of(uid)?)?;
        Some(serde_json::from_value(template["status"].clone()).unwrap_or_default())
    }

    fn store(&mut self, kind: &'static str, name: &str, mut template: Value) {
        self.version += 1;
        template["metadata"]["resourceVersion"] = self.version.to_string().into();
        let leaving = !template["metadata"]["deletionTimestamp"].is_null();
        let kept = template["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        if leaving && !kept {
            self.templates.remove(name);
            self.log.push((self.version, "DELETED", template));
        } else {
            self.templates.insert(name.to_owned(), template.clone());
            self.log.push((self.version, kind, template));
        }
    }

    /// A controller writes a status. Another status of the same content is no write.
    fn write_status(&mut self, name: &str, body: &Value) -> Result<Value, (u16, &'static str)> {
        let stored = self.templates.get(name).ok_or((404, "NotFound"))?;
        let (is, has) = (&body["metadata"], &stored["metadata"]);
        if is["uid"].is_string() && is["uid"] != has["uid"] {
            return Err((409, "Conflict"));
        }
        if is["resourceVersion"].is_string() && is["resourceVersion"] != has["resourceVersion"] {
            return Err((409, "Conflict"));
        }
        let mut template = stored.clone();
        if template["status"] != body["status"] {
            template["status"] = body["status"].clone();
            self.writes += 1;
            self.store("MODIFIED", name, template);
        }
        Ok(self.templates[name].clone())
    }

    /// A controller changes finalizers, by a JSON patch.
    fn patch(&mut self, name: &str, steps: &Value) -> Result<Value, (u16, &'static str)> {
        let mut template = self.templates.get(name).ok_or((404, "NotFound"))?.clone();
        for step in steps.as_array().ok_or((400, "BadRequest"))? {
            let path = step["path"].as_str().unwrap_or_default();
            let (parent, index) = path.rsplit_once('/').unwrap_or_default();
            match step["op"].as_str().unwrap_or_default() {
                "test" => {
                    let is = template.pointer(path).unwrap_or(&Value::Null);
                    if *is != step["value"] {
                        return Err((422, "Invalid"));
                    }
                }
                "add" if index == "-" => {
                    let list = template.pointer_mut(parent).and_then(Value::as_array_mut);
                    list.ok_or((422, "Invalid"))?.push(step["value"].clone());
                }
                "add" => template["metadata"]["finalizers"] = step["value"].clone(),
                "remove" => {
                    let list = template.pointer_mut(parent).and_then(Value::as_array_mut);
                    let index = index.parse().unwrap_or(usize::MAX);
                    let list = list.filter(|list| index < list.len());
                    list.ok_or((422, "Invalid"))?.remove(index);
                }
                other => panic!("{other}"),
            }
        }
        self.store("MODIFIED", name, template.clone());
        Ok(template)
    }
}
