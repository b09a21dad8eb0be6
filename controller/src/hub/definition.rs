//! Whether the hub has a kind, and in which version.

use crate::kinds::Kind;
use kube::{
    Api, Client,
    core::{ApiResource, Object},
};
use serde::Deserialize;

/// What the hub says of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Definition {
    /// It does not have it, is about to remove it, or does not serve it yet.
    Absent,
    /// It has it so.
    Served(Served),
}

/// How the hub has a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    /// The UID of its definition: a kind that was removed and made anew is another one, and lost its objects.
    pub(super) uid: String,
    /// The version to read it in.
    pub(super) version: &'static str,
}

/// What is read of a definition: its schema is large.
type Told = Object<Spec, Status>;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    versions: Vec<Version>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Version {
    name: String,
    served: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

/// Asks the hub itself, not what was told of it before.
pub(super) async fn look(client: &Client, kind: Kind) -> Result<Definition, kube::Error> {
    let api: Api<Told> = Api::all_with(client.clone(), &definitions());
    Ok(judge(kind, api.get_opt(&kind.definition()).await?.as_ref()))
}

/// The kind of definitions.
fn definitions() -> ApiResource {
    ApiResource {
        group: "apiextensions.k8s.io".into(),
        version: "v1".into(),
        api_version: "apiextensions.k8s.io/v1".into(),
        kind: "CustomResourceDefinition".into(),
        plural: "customresourcedefinitions".into(),
    }
}

fn judge(kind: Kind, told: Option<&Told>) -> Definition {
    let Some(told) = told.filter(|told| told.metadata.deletion_timestamp.is_none()) else {
        return Definition::Absent;
    };
    let conditions = told.status.iter().flat_map(|status| &status.conditions);
    let mut established = conditions.filter(|it| it.type_ == "Established" && it.status == "True");
    if established.next().is_none() {
        return Definition::Absent;
    }
    let served = |version: &&str| {
        let mut versions = told.spec.versions.iter();
        versions.any(|found| found.served && found.name == *version)
    };
    let known = kind.versions().iter().copied().find(served);
    known.map_or(Definition::Absent, |version| {
        Definition::Served(Served {
            uid: told.metadata.uid.clone().unwrap_or_default(),
            version,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn judged(change: impl FnOnce(&mut Value)) -> Definition {
        let mut told = json!({
            "metadata": {"name": "machines.cluster.x-k8s.io", "uid": "uid-1"},
            "spec": {"versions": [
                {"name": "v1alpha4", "served": true},
                {"name": "v1beta1", "served": true},
                {"name": "v1beta2", "served": true},
            ]},
            "status": {"conditions": [{"type": "Established", "status": "True"}]},
        });
        change(&mut told);
        let told = serde_json::from_value(told).unwrap();
        judge(Kind::Machine, Some(&told))
    }

    fn served(uid: &str, version: &'static str) -> Definition {
        Definition::Served(Served {
            uid: uid.into(),
            version,
        })
    }

    #[test]
    fn the_first_version_that_is_known_and_served_is_taken() {
        assert_eq!(judged(|_| ()), served("uid-1", "v1beta1"));
        let old = judged(|told| told["spec"]["versions"][1]["served"] = false.into());
        assert_eq!(old, served("uid-1", "v1beta2"));
        let anew = judged(|told| told["metadata"]["uid"] = "uid-2".into());
        assert_eq!(anew, served("uid-2", "v1beta1"));
        let none = judged(|told| {
            told["spec"]["versions"][1]["served"] = false.into();
            told["spec"]["versions"][2]["served"] = false.into();
        });
        assert_eq!(none, Definition::Absent);
    }

    #[test]
    fn what_is_being_removed_is_not_there_any_more() {
        let going =
            judged(|told| told["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into());
        assert_eq!(going, Definition::Absent);
        assert_eq!(judge(Kind::Machine, None), Definition::Absent);
    }

    #[test]
    fn what_is_not_served_yet_is_not_there_yet() {
        assert_eq!(
            judged(|told| told["status"] = json!({})),
            Definition::Absent
        );
    }
}
