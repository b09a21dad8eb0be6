//! What a collector watches and has told: versions, so that a reply that was lost is told again.

use super::{Properties, Session, State, View};
use std::{collections::BTreeMap, sync::Arc};
use vsphere_driver::soap::{
    Element, MoRef, VimFault,
    property_collector::{
        ChangeOp, FilterSpec, FilterUpdate, ObjectChange, ObjectContent, ObjectUpdate, Objects,
        PropertyChange, UpdateSet,
    },
};

/// What was told of an object, by filter.
type Told = BTreeMap<(MoRef, MoRef), Arc<Properties>>;

/// A collector with its filters.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) filters: Vec<(MoRef, FilterSpec)>,
    /// What the other side has said that it has.
    version: String,
    known: Told,
    /// What was sent to it since.
    sent: Option<(String, Told)>,
    next: u64,
}

/// How updates are told.
#[derive(Clone, Copy)]
pub(super) struct Telling {
    /// Objects in one reply.
    pub(super) most: usize,
    /// Objects that changed are told with all their properties once more.
    pub(super) twice: bool,
}

impl Session {
    fn selected(&self, state: &BTreeMap<MoRef, Arc<Properties>>, spec: &FilterSpec) -> Vec<MoRef> {
        match &spec.objects {
            Objects::These(objects) => objects.clone(),
            Objects::OfView(view) => match self.views.get(view) {
                Some(View::Below(kinds)) => {
                    let shown = |moref: &&MoRef| kinds.iter().any(|kind| is_a(&moref.kind, kind));
                    state.keys().filter(shown).cloned().collect()
                }
                Some(View::These(objects)) => {
                    let there = |moref: &&MoRef| state.contains_key(*moref);
                    objects.iter().filter(there).cloned().collect()
                }
                None => Vec::new(),
            },
        }
    }
}

/// Whether objects of `kind` are of this type, too.
fn is_a(kind: &str, type_name: &str) -> bool {
    kind == type_name || (kind == "ClusterComputeResource" && type_name == "ComputeResource")
}

fn paths<'a>(spec: &'a FilterSpec, kind: &str) -> &'a [String] {
    let found = spec.properties.iter().find(|spec| spec.kind == kind);
    found.map(|spec| &*spec.paths).unwrap_or_default()
}

fn shown(properties: &Properties, paths: &[String]) -> Vec<(String, Element)> {
    let value = |path: &String| Some((path.clone(), properties.get(path)?.clone()));
    paths.iter().filter_map(value).collect()
}

impl State {
    /// What these specs select, now.
    pub(super) fn retrieve(
        &self,
        session: &str,
        specs: &[FilterSpec],
    ) -> Result<Vec<ObjectContent>, VimFault> {
        let mut found = Vec::new();
        for spec in specs {
            let session = &self.sessions[session];
            for object in session.selected(&self.objects, spec) {
                let recent;
                let properties = match self.objects.get(&object) {
                    Some(properties) => properties.as_ref(),
                    None if &*object.kind == "TaskManager" => {
                        let tasks: Vec<_> =
                            self.tasks.iter().map(|(task, _)| task.clone()).collect();
                        let list = super::values::references(&tasks);
                        recent = Properties::from([("recentTask".to_owned(), list)]);
                        &recent
                    }
                    None if spec.report_missing == Some(true) => continue,
                    None => {
                        let fault = super::values::fault("ManagedObjectNotFound", Some(&object));
                        return Err(fault);
                    }
                };
                let properties = shown(properties, paths(spec, &object.kind));
                found.push(ObjectContent {
                    object,
                    properties,
                    missing: Vec::new(),
                });
            }
        }
        Ok(found)
    }

    /// What changed since `version`; nothing if nothing did.
    pub(super) fn updates(
        &mut self,
        session: &str,
        collector: &MoRef,
        version: &str,
        telling: Telling,
    ) -> Result<Option<UpdateSet>, VimFault> {
        let objects = &self.objects;
        let missing = || super::values::fault("ManagedObjectNotFound", Some(collector));
        let session = self.sessions.get_mut(session).ok_or_else(missing)?;
        let mut watching = session.collectors.remove(collector).ok_or_else(missing)?;
        let known = watching.acknowledge(version);
        let result = if known {
            Ok(watching.tell(session, objects, telling))
        } else {
            Err(super::values::fault("InvalidCollectorVersion", None))
        };
        session.collectors.insert(collector.clone(), watching);
        result
    }
}

impl Collector {
    /// The other side has what was sent with this version.
    fn acknowledge(&mut self, version: &str) -> bool {
        if version.is_empty() {
            self.known.clear();
            self.sent = None;
            self.version.clear();
        } else if let Some((sent, told)) = self.sent.take_if(|(sent, _)| sent == version) {
            (self.version, self.known) = (sent, told);
        }
        self.version == version
    }

    fn tell(
        &mut self,
        session: &Session,
        objects: &BTreeMap<MoRef, Arc<Properties>>,
        telling: Telling,
    ) -> Option<UpdateSet> {
        let mut told = self.known.clone();
        let (mut filters, mut count, mut truncated) = (Vec::new(), 0, false);
        for (filter, spec) in &self.filters {
            let selected = session.selected(objects, spec);
            let mut updates = Vec::new();
            let here = |(of, object): &&(MoRef, MoRef)| of == filter && !selected.contains(object);
            let left: Vec<_> = told.keys().filter(here).cloned().collect();
            for place in left {
                told.remove(&place);
                updates.push(update(ObjectChange::Leave, place.1, Vec::new()));
            }
            for object in selected {
                let (Some(now), place) = (objects.get(&object), (filter.clone(), object)) else {
                    continue;
                };
                let before = told.get(&place);
                if before.is_some_and(|before| Arc::ptr_eq(before, now)) {
                    continue;
                }
                if count >= telling.most {
                    truncated = true;
                    break;
                }
                count += 1;
                let paths = paths(spec, &place.1.kind);
                updates.extend(changes(before, now, paths, telling, &place.1));
                told.insert(place, Arc::clone(now));
            }
            if !updates.is_empty() {
                filters.push(FilterUpdate {
                    filter: filter.clone(),
                    objects: updates,
                    missing: Vec::new(),
                });
            }
        }
        if filters.is_empty() && !truncated {
            return None;
        }
        self.next += 1;
        let version = self.next.to_string();
        self.sent = Some((version.clone(), told));
        Some(UpdateSet {
            version,
            truncated,
            filters,
        })
    }
}

/// How an object changed, as far as these paths show it.
fn changes(
    before: Option<&Arc<Properties>>,
    now: &Properties,
    paths: &[String],
    telling: Telling,
    object: &MoRef,
) -> Option<ObjectUpdate> {
    let kind = match before {
        None => ObjectChange::Enter,
        Some(_) => ObjectChange::Modify,
    };
    let old = |path: &str| before.and_then(|before| before.get(path));
    let differs = |path: &&String| old(path) != now.get(*path);
    let all = telling.twice && before.is_some();
    let told = paths.iter().filter(|path| all || differs(path));
    let changes: Vec<_> = told
        .map(|path| PropertyChange {
            path: path.clone(),
            op: ChangeOp::Assign,
            value: now.get(path).cloned(),
        })
        .collect();
    let nothing = changes.is_empty() && before.is_some();
    (!nothing).then(|| update(kind, object.clone(), changes))
}

fn update(kind: ObjectChange, object: MoRef, changes: Vec<PropertyChange>) -> ObjectUpdate {
    ObjectUpdate {
        kind,
        object,
        changes,
        missing: Vec::new(),
    }
}
