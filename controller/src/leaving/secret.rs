//! Keeps a Secret from going while a template needs it to remove its machines.
//!
//! One finalizer stands for all templates of a Secret, so that the last of them takes it off. Each says in its
//! status that it is finished before it looks for others, so that of two that go at once one sees the other's.

use crate::{
    crd::{FINALIZER, SECRET_FINALIZER, VMwareNodePoolTemplate},
    link::{Guard, SecretRef},
    wish::Wish,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
    core::{DeserializeGuard, ObjectMeta},
};
use serde_json::json;

/// Why a Secret could not be kept, or let go.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Its metadata could not be read.
    #[error("reading the metadata of the Secret")]
    Read(#[source] kube::Error),
    /// Its finalizers could not be written.
    #[error("writing the finalizers of the Secret")]
    Write(#[source] kube::Error),
    /// Who else needs it could not be read.
    #[error("listing the templates that may need the Secret")]
    List(#[source] kube::Error),
}

/// Whether a Secret is to be kept from now on.
pub(crate) fn is_to_be_kept(wish: &Wish, guard: Guard) -> bool {
    guard == Guard::Bare && !wish.paused
}

/// The Secret that a template named before, and needs no more now that `settled` is so: what the present
/// one leads to is live, and has its machines.
pub(crate) fn former<'a>(wish: &Wish, recorded: &'a str, settled: bool) -> Option<&'a str> {
    let differs = !recorded.is_empty() && recorded != wish.secret.name;
    (differs && settled && !wish.paused).then_some(recorded)
}

/// The Secret to be recorded as kept for the template; `let_go` says that the former one was let go.
pub(crate) fn in_use<'a>(wish: &'a Wish, guard: Guard, recorded: &'a str, let_go: bool) -> &'a str {
    let takes_over = recorded.is_empty() || let_go;
    if guard == Guard::Kept && takes_over {
        &wish.secret.name
    } else {
        recorded
    }
}

/// Whether the template needs the Secret of this name in its namespace.
fn needs(template: &VMwareNodePoolTemplate, name: &str) -> bool {
    let status = template.status.as_ref();
    let recorded = status.map(|status| &status.secret_in_use);
    let finished = status.is_some_and(|status| status.finished);
    let Some(wish) = Wish::of(template) else {
        return true;
    };
    // Without our finalizer it was let go itself: it waits for somebody else.
    let going = wish.deleting && (finished || !wish.finalizer);
    !going && (wish.secret.name == name || recorded.is_some_and(|recorded| recorded == name))
}

/// Whether any template but the one of this UID needs the Secret. One that cannot be read may, if machines were
/// ever made for it.
fn is_needed(
    templates: &[DeserializeGuard<VMwareNodePoolTemplate>],
    name: &str,
    uid: &str,
) -> bool {
    templates.iter().any(|template| match &template.0 {
        Ok(template) => template.metadata.uid.as_deref() != Some(uid) && needs(template, name),
        Err(unread) => {
            let finalizers = unread.metadata.finalizers.as_deref();
            finalizers.is_some_and(|it| it.iter().any(|it| it == FINALIZER))
        }
    })
}

/// The finalizers with ours; `None` if it is there, or can no longer be added.
fn with(meta: &ObjectMeta) -> Option<Vec<String>> {
    let mut finalizers = meta.finalizers.clone().unwrap_or_default();
    let there = finalizers.iter().any(|name| name == SECRET_FINALIZER);
    finalizers.push(SECRET_FINALIZER.into());
    (!there && meta.deletion_timestamp.is_none()).then_some(finalizers)
}

/// The finalizers without ours; `None` if it is not there.
fn without(meta: &ObjectMeta) -> Option<Vec<String>> {
    let mut finalizers = meta.finalizers.clone()?;
    let before = finalizers.len();
    finalizers.retain(|name| name != SECRET_FINALIZER);
    (finalizers.len() < before).then_some(finalizers)
}

/// Keeps the Secret. One that is not there, or is going already, cannot be kept, which is no error.
pub(crate) async fn keep(client: &Client, secret: &SecretRef) -> Result<(), Error> {
    change(client, secret, with).await
}

/// Lets the Secret go, unless a template other than the one of this UID needs it.
pub(crate) async fn let_go(client: &Client, secret: &SecretRef, uid: &str) -> Result<(), Error> {
    let templates = Api::namespaced(client.clone(), &secret.namespace);
    let templates = templates.list(&ListParams::default()).await;
    let templates = templates.map_err(Error::List)?.items;
    if is_needed(&templates, &secret.name, uid) {
        return Ok(());
    }
    change(client, secret, without).await
}

async fn change(
    client: &Client,
    secret: &SecretRef,
    finalizers: impl Fn(&ObjectMeta) -> Option<Vec<String>>,
) -> Result<(), Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &secret.namespace);
    // The metadata alone: what is in the Secret is none of our business here.
    let found = secrets.get_metadata_opt(&secret.name).await;
    let Some(found) = found.map_err(Error::Read)? else {
        return Ok(());
    };
    let Some(finalizers) = finalizers(&found.metadata) else {
        return Ok(());
    };
    // The list is written as a whole, so only if nobody wrote since it was read.
    let patch = Patch::Merge(json!({"metadata": {
        "uid": found.metadata.uid,
        "resourceVersion": found.metadata.resource_version,
        "finalizers": finalizers,
    }}));
    let params = PatchParams::default();
    let written = secrets.patch_metadata(&secret.name, &params, &patch);
    match written.await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        written => written.map(drop).map_err(Error::Write),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::template;
    use serde_json::json;

    fn of(uid: &str, secret: &str) -> DeserializeGuard<VMwareNodePoolTemplate> {
        let mut template = template(&json!({"vSphereCredentials": {"name": secret}}));
        template.metadata.uid = Some(uid.into());
        DeserializeGuard(Ok(template))
    }

    fn meta(finalizers: &[&str], leaving: bool) -> ObjectMeta {
        let meta = json!({
            "finalizers": finalizers,
            "deletionTimestamp": leaving.then_some("2026-01-01T00:00:00Z"),
        });
        serde_json::from_value(meta).unwrap()
    }

    #[test]
    fn a_secret_is_needed_as_long_as_another_template_may_need_it() {
        let mut switched = of("b", "other");
        if let Ok(template) = &mut switched.0 {
            template.status.get_or_insert_default().secret_in_use = "vc".into();
        }
        let malformed = |finalizers: &[&str]| {
            let metadata = json!({"name": "m", "finalizers": finalizers});
            let malformed = json!({"metadata": metadata, "spec": {"replicas": "three"}});
            serde_json::from_value(malformed).unwrap()
        };
        let deleted = |finished| {
            let mut deleted = of("b", "vc");
            if let Ok(template) = &mut deleted.0 {
                let time = json!("2026-01-01T00:00:00Z");
                template.metadata.deletion_timestamp = serde_json::from_value(time).unwrap();
                template.metadata.finalizers = Some(vec![FINALIZER.into()]);
                template.status.get_or_insert_default().finished = finished;
            }
            deleted
        };
        for (why, templates, needed) in [
            ("nobody is left", vec![], false),
            ("its own template", vec![of("a", "vc")], false),
            ("another one", vec![of("a", "vc"), of("b", "vc")], true),
            ("one with another Secret", vec![of("b", "other")], false),
            ("one that has not left it yet", vec![switched], true),
            (
                "one that goes, and has machines",
                vec![deleted(false)],
                true,
            ),
            (
                "one that goes in this moment, too",
                vec![deleted(true)],
                false,
            ),
            (
                "one that cannot be read",
                vec![malformed(&[FINALIZER])],
                true,
            ),
            ("one that never could be read", vec![malformed(&[])], false),
        ] {
            assert_eq!(is_needed(&templates, "vc", "a"), needed, "{why}");
        }
    }

    #[test]
    fn finalizers_of_others_stay_and_ours_is_there_once() {
        let ours = SECRET_FINALIZER;
        let both = Some(vec!["other".to_owned(), ours.to_owned()]);
        assert_eq!(with(&meta(&["other"], false)), both);
        assert_eq!(with(&meta(&[ours], false)), None);
        assert_eq!(
            with(&meta(&["other"], true)),
            None,
            "it can only be refused"
        );
        let other = Some(vec!["other".to_owned()]);
        assert_eq!(without(&meta(&["other", ours], true)), other);
        assert_eq!(without(&meta(&["other"], true)), None);
        assert_eq!(without(&ObjectMeta::default()), None);
    }

    #[test]
    fn a_former_secret_is_let_go_only_when_the_present_one_has_the_machines() {
        let Ok(template) = of("a", "new").0 else {
            unreachable!("it was read");
        };
        let mut wish = Wish::of(&template).unwrap();
        for (recorded, settled, expected) in [
            ("", true, None),
            ("new", true, None),
            ("old", false, None),
            ("old", true, Some("old")),
        ] {
            assert_eq!(former(&wish, recorded, settled), expected, "{recorded}");
        }
        wish.paused = true;
        assert_eq!(former(&wish, "old", true), None);
        assert!(!is_to_be_kept(&wish, Guard::Bare));
    }
}
