//! Runs the reconciler over all templates of the hub.

use crate::{
    context::Context,
    crd::VMwareNodePoolTemplate,
    driver::Driver,
    reconcile::{self, error_policy, reconcile},
    wish::Mode,
};
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use kube::{
    Api, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{
        Controller, Predicate as _, WatchStreamExt as _,
        controller::{Action, Config, Error},
        predicates,
        reflector::{self, ObjectRef, Store},
        watcher::{self, watcher},
    },
};
use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Templates that are reconciled at the same time.
const CONCURRENCY: u16 = 16;
/// Longest that running reconciliations may take to end. They can be broken off at any point, as by a kill.
const DRAIN: Duration = Duration::from_secs(10);

type Event<K> = watcher::Event<K>;
type Guarded = DeserializeGuard<VMwareNodePoolTemplate>;

/// Reconciles until `stop`, then lets the running reconciliations end, as long as that does not take too long.
pub async fn run<D: Driver>(
    context: Arc<Context<D>>,
    wake: impl Stream<Item = ObjectRef<VMwareNodePoolTemplate>> + Send + 'static,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.shared();
    let templates = Api::<Guarded>::all(context.client.clone());
    let writer = reflector::store::Writer::<VMwareNodePoolTemplate>::default();
    let store = writer.as_reader();
    let changes = watcher(templates, watcher::Config::default()).default_backoff();
    context.hub.templates(store.clone());
    let remembering = context.clone();
    let changes = readable(changes, store.clone(), context.clone())
        .reflect(writer)
        .applied_objects()
        .inspect_ok(move |cached| remembering.memories.caught_up(cached))
        // Our own statuses change none of these: they wake nobody.
        .predicate_filter(
            predicates::generation
                .combine(predicates::annotations)
                .combine(predicates::finalizers),
            kube::runtime::PredicateConfig::default(),
        );
    let acting = context.clone();
    let listed = store.clone();
    let overdue = async {
        stop.clone().await;
        // Before the list nothing runs yet, and kube's controller would wait for it, which it does not ask for
        // any more.
        if listed.wait_until_ready().now_or_never().is_some() {
            sleep(DRAIN).await;
            tracing::warn!("Reconciliations took too long to end");
        }
    };
    let controller = Controller::for_stream(changes, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(wake)
        .graceful_shutdown_on(stop.clone())
        .run(reconcile, error_policy, acting)
        .for_each(async |result| note(result));
    tokio::select! {
        // The same events are taken in in the same order: the simulation plays its schedules again.
        biased;
        () = controller => {}
        () = overdue => {}
        () = context.hub.keep(&context.client) => {}
    }
}

/// Passes on what can be read. A malformed template is told of, and the others go on.
fn readable<D: Driver>(
    changes: impl Stream<Item = watcher::Result<Event<Guarded>>> + Send,
    store: Store<VMwareNodePoolTemplate>,
    context: Arc<Context<D>>,
) -> impl Stream<Item = watcher::Result<Event<VMwareNodePoolTemplate>>> + Send {
    let mut malformed = HashSet::new();
    changes.filter_map(move |change| {
        let passed = match change {
            Ok(event) => pass(event, &mut malformed, &store, &context).map(Ok),
            Err(error) => Some(Err(error)),
        };
        context.metrics.malformed(malformed.len());
        std::future::ready(passed)
    })
}

fn pass<D: Driver>(
    event: Event<Guarded>,
    malformed: &mut HashSet<ObjectRef<VMwareNodePoolTemplate>>,
    store: &Store<VMwareNodePoolTemplate>,
    context: &Context<D>,
) -> Option<Event<VMwareNodePoolTemplate>> {
    let mut read = |object: Guarded| match object.0 {
        Ok(template) => {
            malformed.remove(&ObjectRef::from_obj(&template));
            Ok(template)
        }
        Err(invalid) => {
            let name = invalid.metadata.name.clone().unwrap_or_default();
            let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
            let error = &invalid.error;
            tracing::warn!(template = name, namespace, error, "Template cannot be read");
            let reference = ObjectRef::new(&name).within(&namespace);
            malformed.insert(reference.clone());
            Err(reference)
        }
    };
    match event {
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
        Event::InitApply(object) => read(object).ok().map(Event::InitApply),
        Event::Apply(object) => match read(object) {
            Ok(template) => {
                let before = store.get(&ObjectRef::from_obj(&template));
                let mode = before.map(|before| Mode::of(&before.spec));
                if mode.as_ref() != Some(&Mode::of(&template.spec)) {
                    context.hub.wake_rivals(&template);
                }
                Some(Event::Apply(template))
            }
            // What it was before must not be reconciled any more.
            Err(reference) => {
                let before = store.get(&reference)?;
                Some(Event::Delete((*before).clone()))
            }
        },
        Event::Delete(object) => match read(object) {
            Ok(template) => {
                tracing::info!(
                    template = template.name_any(),
                    namespace = template.namespace(),
                    "Template is gone"
                );
                context.forget(&template);
                context.hub.wake_rivals(&template);
                Some(Event::Delete(template))
            }
            Err(reference) => {
                malformed.remove(&reference);
                None
            }
        },
    }
}

type Outcome =
    Result<(ObjectRef<VMwareNodePoolTemplate>, Action), Error<reconcile::Error, watcher::Error>>;

fn note(outcome: Outcome) {
    match outcome {
        Ok((template, _)) => tracing::debug!(%template, "Reconciled"),
        Err(Error::ReconcilerFailed(reconcile::Error::StillDeleting(_), template)) => {
            tracing::debug!(%template, "Still removing");
        }
        Err(Error::ObjectNotFound(template)) => tracing::debug!(%template, "Template is gone"),
        Err(Error::ReconcilerFailed(error, template)) => {
            // The JSON log keeps only the outermost error, so all of it is put into one string.
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(%template, error, "Reconciliation failed");
        }
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(error, "Watching templates failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{hub::Hub, template};
    use http::Method;
    use serde_json::{Value, json};
    use tokio::time::{Instant, timeout};

    fn object(change: impl FnOnce(&mut Value)) -> Guarded {
        let mut object = serde_json::to_value(template(&json!({}))).unwrap();
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    fn good() -> Guarded {
        object(|_| ())
    }

    fn malformed() -> Guarded {
        object(|object| object["spec"]["replicas"] = "three".into())
    }

    /// How long it goes on after it was told to stop, where only these requests are answered.
    async fn goes_on(hears: fn(&Method, &str) -> bool) -> Duration {
        let hub = Hub::new(&json!({}));
        hub.hears(hears);
        let told = Instant::now() + Duration::from_secs(5);
        let stop = tokio::time::sleep_until(told);
        let run = run(hub.context.clone(), futures::stream::pending(), stop);
        timeout(Duration::from_mins(1), run).await.unwrap();
        told.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_before_the_templates_were_listed_ends_at_once() {
        let nothing = |_: &Method, _: &str| false;
        assert_eq!(goes_on(nothing).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_for_ever_for_a_reconciliation() {
        let lists = |method: &Method, path: &str| {
            method == Method::GET && path.ends_with("/vmwarenodepooltemplates")
        };
        assert!((DRAIN..DRAIN * 2).contains(&goes_on(lists).await));
    }

    /// What is passed on, and how many are malformed then.
    fn passed(events: Vec<Event<Guarded>>) -> (Vec<&'static str>, usize) {
        let hub = Hub::new(&json!({}));
        let mut writer = reflector::store::Writer::default();
        let (store, mut bad) = (writer.as_reader(), HashSet::new());
        let mut words = Vec::new();
        for event in events {
            let event = pass(event, &mut bad, &store, &hub.context);
            words.extend(event.as_ref().map(|event| match event {
                Event::Init => "init",
                Event::InitApply(_) => "init-apply",
                Event::InitDone => "init-done",
                Event::Apply(_) => "apply",
                Event::Delete(_) => "delete",
            }));
            if let Some(event) = event {
                writer.apply_watcher_event(&event);
            }
        }
        (words, bad.len())
    }

    #[tokio::test]
    async fn a_malformed_template_is_counted_and_the_others_go_on() {
        let listed = [Event::Init, Event::InitApply(malformed()), Event::InitDone];
        assert_eq!(passed(listed.into()), (vec!["init", "init-done"], 1));
        let repaired = [Event::Apply(malformed()), Event::Apply(good())];
        assert_eq!(passed(repaired.into()), (vec!["apply"], 0));
        let gone = [Event::Apply(malformed()), Event::Delete(malformed())];
        assert_eq!(passed(gone.into()), (vec![], 0));
    }

    #[tokio::test]
    async fn what_a_malformed_template_was_before_is_not_reconciled_any_more() {
        let broken = [Event::Apply(good()), Event::Apply(malformed())];
        assert_eq!(passed(broken.into()), (vec!["apply", "delete"], 1));
    }
}
