//! Where the image of an InfraEnv is fetched, by what the InfraEnv says.

use super::Lack;
use crate::{hidden::Hidden, hub::Sought, kinds::infra_env::InfraEnv, reason::Reason};
use std::{fmt, sync::Arc};

/// Longest revision that the driver takes.
const REVISION: usize = 128;
/// The condition of an InfraEnv that says whether its image was made.
const IMAGE_CREATED: &str = "ImageCreated";

/// Where an image is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Its URL, with a token in it.
    pub url: Hidden,
    /// Another one for each image that was made.
    pub revision: String,
    /// Authorities of the hub's routes, behind which it is, PEM. Empty: none are known.
    pub authorities: String,
}

/// Names an InfraEnv, for people.
#[derive(Clone, Copy, Debug)]
struct Named<'a>(&'a str, &'a str);

/// Where the image of the InfraEnv `namespace/name` is fetched, for a template of the namespace `own` whose
/// Agents are in `agents`. An InfraEnv of any other namespace is none of its business: who can read an image
/// has the pull secret that is in it.
pub fn download(
    (namespace, name): (&str, &str),
    (own, agents): (&str, Option<&str>),
    look: impl FnOnce() -> Sought<Arc<InfraEnv>>,
) -> Result<Download, Lack> {
    let named = Named(namespace, name);
    if namespace != own && Some(namespace) != agents {
        let message = format!(
            "{named} is neither in the namespace of the template nor where the Agents of its node pool \
             are. Take an InfraEnv of one of these."
        );
        return Err(Lack::new(Reason::InfraEnvNotPermitted, message));
    }
    match look() {
        Sought::Syncing => Err(Lack::syncing()),
        Sought::KindMissing => Err(Lack::new(
            Reason::InfraEnvKindMissing,
            "The hub has no InfraEnvs. Install the assisted installer, or take another type of agentISO.",
        )),
        Sought::Unreadable(why) => {
            let message = format!(
                "{named} cannot be read: {}. Let the controller get, list and watch InfraEnvs.",
                masked(&why)
            );
            Err(Lack::new(Reason::InfraEnvUnreadable, message))
        }
        Sought::Absent => {
            let message = format!("There is no {named}. Create it, or correct agentISO.infraEnv.");
            Err(Lack::new(Reason::InfraEnvNotFound, message))
        }
        Sought::Found(infra_env) => image(named, &infra_env),
    }
}

fn image(named: Named<'_>, infra_env: &InfraEnv) -> Result<Download, Lack> {
    let status = &infra_env.status;
    let not_ready = |why: String| Err(Lack::new(Reason::InfraEnvNotReady, why));
    if infra_env.meta.deleting {
        return not_ready(format!("{named} is being deleted. Take another."));
    }
    let mut conditions = status.conditions.iter();
    let created = conditions.find(|condition| condition.type_ == IMAGE_CREATED);
    if let Some(created) = created.filter(|created| created.status == "False") {
        let why = masked(&created.message);
        let why = why.trim_end_matches('.');
        return not_ready(format!(
            "{named} has no image: {why}. Correct the InfraEnv."
        ));
    }
    if status.iso_download_url.0.is_empty() {
        return not_ready(format!("The image of {named} is not made yet. Wait."));
    }
    Ok(Download {
        url: status.iso_download_url.clone(),
        revision: status.created_time.chars().take(REVISION).collect(),
        authorities: String::new(),
    })
}

/// What others say, without URLs: a token may be in them.
fn masked(text: &str) -> String {
    let words = text.split(' ');
    let words = words.map(|word| if word.contains("://") { "***" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

// === impl Named ===

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfraEnv {}/{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const URL: &str = "https://images/byapikey/canary/4.20/x86_64/minimal.iso";
    const AT: &str = "2026-11-21T10:00:00Z";

    fn infra_env(status: Value) -> Sought<Arc<InfraEnv>> {
        Sought::Found(Arc::new(InfraEnv {
            status: serde_json::from_value(status).unwrap(),
            ..InfraEnv::default()
        }))
    }

    fn of(look: Sought<Arc<InfraEnv>>) -> Result<Download, Lack> {
        download(("clusters", "workers"), ("clusters", None), || look)
    }

    fn condition(status: &str, message: &str) -> Value {
        json!([{"type": "ImageCreated", "status": status, "reason": "r", "message": message}])
    }

    #[test]
    fn an_image_that_was_made_is_fetched_where_its_infra_env_says() {
        let expected = Download {
            url: URL.into(),
            revision: AT.into(),
            authorities: String::new(),
        };
        for conditions in [json!([]), condition("True", "Image has been created")] {
            let status = json!({
                "isoDownloadURL": URL, "createdTime": AT, "conditions": conditions,
                "bootArtifacts": {"initrd": "https://images/initrd"},
            });
            assert_eq!(of(infra_env(status)), Ok(expected.clone()));
        }
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do_and_without_urls() {
        let failed = format!("Failed: {URL} said no.");
        let mut deleting = InfraEnv::default();
        deleting.meta.deleting = true;
        for (look, reason, part) in [
            (Sought::Syncing, Reason::InfraEnvSyncing, "Wait."),
            (Sought::KindMissing, Reason::InfraEnvKindMissing, "Install"),
            (
                Sought::Unreadable("no".into()),
                Reason::InfraEnvUnreadable,
                "read: no.",
            ),
            (
                Sought::Absent,
                Reason::InfraEnvNotFound,
                "no InfraEnv clusters/workers",
            ),
            (
                infra_env(json!({})),
                Reason::InfraEnvNotReady,
                "not made yet",
            ),
            (
                Sought::Found(Arc::new(deleting)),
                Reason::InfraEnvNotReady,
                "being deleted",
            ),
            (
                infra_env(json!({
                    "isoDownloadURL": URL, "conditions": condition("False", &failed),
                })),
                Reason::InfraEnvNotReady,
                "no image: Failed: *** said no. Correct",
            ),
        ] {
            let lack = of(look).unwrap_err();
            assert_eq!(lack.reason, reason);
            assert!(lack.message.contains(part), "{lack:?}");
            assert!(!format!("{lack:?}").contains("canary"), "{lack:?}");
        }
    }

    #[test]
    fn an_infra_env_is_the_templates_own_or_where_its_agents_are_and_no_other_is_looked_at() {
        for (namespace, agents, permitted) in [
            ("clusters", None, true),
            ("agents", Some("agents"), true),
            ("agents", None, false),
            ("others", Some("agents"), false),
            ("clusters", Some("agents"), true),
        ] {
            let mut looked = false;
            let look = || {
                looked = true;
                Sought::Absent
            };
            let lack = download((namespace, "workers"), ("clusters", agents), look).unwrap_err();
            let expected = if permitted {
                Reason::InfraEnvNotFound
            } else {
                Reason::InfraEnvNotPermitted
            };
            assert_eq!((lack.reason, looked), (expected, permitted), "{namespace}");
        }
    }
}
