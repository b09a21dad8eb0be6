//! The caller of a request that changes something, checked.

use super::{client::Client, fence::Fence};
use contract::{
    identity::{MANUAL_HUB, is_id},
    v1::{self as pb, Fault, Feature, Reason},
};
use uuid::Uuid;

/// What this driver can do beyond the calls that every driver has.
pub(crate) const FEATURES: [Feature; 6] = [
    Feature::Adoption,
    Feature::Capacity,
    Feature::IsoUrl,
    Feature::IsoUpload,
    Feature::IsoStore,
    Feature::IsoEject,
];

/// Longest operation id that a caller may give: vCenter's `operationID` begins with it.
const MAX_OPERATION_ID: usize = 36;

/// Longest `on_behalf_of`, in characters.
const MAX_ON_BEHALF_OF: usize = 256;

/// Digits of an operation id that the driver makes.
const OWN_OPERATION_ID: usize = 12;

/// Who asks for a change. Only [`Caller::admit`] makes it, so that having one is permission.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The hub that acts; `manual` for a person.
    pub hub_id: String,
    /// The epoch of its leader, if it has one.
    pub epoch: Option<i32>,
    /// Name of the client that spoke for it.
    pub client: String,
    /// The caller's operation id, or one made for this call.
    pub operation_id: String,
    /// Whom the caller claims to act for. May be empty.
    pub on_behalf_of: String,
}

// === impl Caller ===

impl Caller {
    /// Checks what a request says of its caller against who is calling and who called before.
    pub fn admit(asked: Option<pb::Caller>, client: &Client, fence: &Fence) -> Result<Self, Fault> {
        let asked = Asked::try_from(asked.unwrap_or_default())?;
        client.may_act_for(&asked.hub_id)?;
        fence.admit(&asked.hub_id, asked.epoch)?;
        let Asked {
            hub_id,
            epoch,
            operation_id,
            on_behalf_of,
        } = asked;
        let operation_id = operation_id.unwrap_or_else(new_operation_id);
        tracing::Span::current().record("operation_id", &operation_id);
        Ok(Self {
            hub_id,
            epoch,
            client: client.name().to_owned(),
            operation_id,
            on_behalf_of,
        })
    }
}

/// A new operation id: short, and good enough to find a call in a log.
pub(crate) fn new_operation_id() -> String {
    let mut id = Uuid::new_v4().simple().to_string();
    id.truncate(OWN_OPERATION_ID);
    id
}

/// What the message says, in the right form.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    hub_id: String,
    epoch: Option<i32>,
    operation_id: Option<String>,
    on_behalf_of: String,
}

// === impl Asked ===

impl TryFrom<pb::Caller> for Asked {
    type Error = Fault;

    fn try_from(message: pb::Caller) -> Result<Self, Fault> {
        let pb::Caller {
            hub_id,
            epoch,
            required_features,
            operation_id,
            on_behalf_of,
        } = message;
        for feature in required_features {
            supported(feature)?;
        }
        Ok(Self {
            hub_id: parse_hub_id(hub_id)?,
            epoch: parse_epoch(epoch)?,
            operation_id: parse_operation_id(operation_id)?,
            on_behalf_of: parse_on_behalf_of(on_behalf_of)?,
        })
    }
}

fn supported(number: i32) -> Result<(), Fault> {
    let feature = Feature::try_from(number).ok();
    if feature.is_some_and(|feature| FEATURES.contains(&feature)) {
        return Ok(());
    }
    let name = feature.map_or_else(|| number.to_string(), |f| f.as_str_name().to_owned());
    let what = format!("`caller.required_features` has {name}, which this driver lacks");
    Err(Fault::new(Reason::FeatureUnsupported, what)
        .at("caller.required_features")
        .with("feature", name))
}

fn parse_hub_id(hub_id: String) -> Result<String, Fault> {
    match hub_id.as_str() {
        "" => Ok(MANUAL_HUB.to_owned()),
        id if is_id(id) => Ok(hub_id),
        _ => Err(Fault::invalid(
            "caller.hub_id",
            "must be 1 to 63 characters of `A-Za-z0-9._-`",
        )),
    }
}

fn parse_epoch(epoch: Option<i32>) -> Result<Option<i32>, Fault> {
    match epoch {
        Some(epoch) if epoch < 0 => Err(Fault::invalid("caller.epoch", "must be 0 or more")),
        epoch => Ok(epoch),
    }
}

fn parse_operation_id(id: String) -> Result<Option<String>, Fault> {
    if id.is_empty() {
        Ok(None)
    } else if is_id(&id) && id.len() <= MAX_OPERATION_ID {
        Ok(Some(id))
    } else {
        Err(Fault::invalid(
            "caller.operation_id",
            "must be 1 to 36 characters of `A-Za-z0-9._-`",
        ))
    }
}

fn parse_on_behalf_of(name: String) -> Result<String, Fault> {
    if name.chars().count() <= MAX_ON_BEHALF_OF {
        Ok(name)
    } else {
        Err(Fault::invalid(
            "caller.on_behalf_of",
            "must have at most 256 characters",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::client::Hubs;

    fn loopback() -> Client {
        Client::new("loopback", Hubs::All)
    }

    #[test]
    fn a_person_may_leave_the_caller_out() {
        let caller = Caller::admit(None, &loopback(), &Fence::default()).unwrap();
        let operation_id = caller.operation_id.clone();
        assert!(is_id(&operation_id) && operation_id.len() == OWN_OPERATION_ID);
        assert_eq!(
            caller,
            Caller {
                hub_id: MANUAL_HUB.into(),
                epoch: None,
                client: "loopback".into(),
                operation_id,
                on_behalf_of: String::new(),
            }
        );
    }

    #[test]
    fn what_a_caller_says_is_kept() {
        let asked = pb::Caller {
            hub_id: "hub".into(),
            epoch: Some(0),
            operation_id: "op-1".into(),
            on_behalf_of: "Jörg".into(),
            ..pb::Caller::default()
        };
        assert_eq!(
            Caller::admit(Some(asked), &loopback(), &Fence::default()).unwrap(),
            Caller {
                hub_id: "hub".into(),
                epoch: Some(0),
                client: "loopback".into(),
                operation_id: "op-1".into(),
                on_behalf_of: "Jörg".into(),
            }
        );
    }

    #[test]
    fn each_malformed_field_is_named() {
        let good = pb::Caller::default;
        for (field, asked) in [
            (
                "caller.hub_id",
                pb::Caller {
                    hub_id: "a b".into(),
                    ..good()
                },
            ),
            (
                "caller.hub_id",
                pb::Caller {
                    hub_id: "x".repeat(64),
                    ..good()
                },
            ),
            (
                "caller.epoch",
                pb::Caller {
                    epoch: Some(-1),
                    ..good()
                },
            ),
            (
                "caller.operation_id",
                pb::Caller {
                    operation_id: "a/b".into(),
                    ..good()
                },
            ),
            (
                "caller.operation_id",
                pb::Caller {
                    operation_id: "x".repeat(37),
                    ..good()
                },
            ),
            (
                "caller.on_behalf_of",
                pb::Caller {
                    on_behalf_of: "ä".repeat(257),
                    ..good()
                },
            ),
        ] {
            let fault = Caller::admit(Some(asked), &loopback(), &Fence::default()).unwrap_err();
            assert_eq!(
                (fault.reason(), &*fault.field),
                (Reason::InvalidField, field)
            );
        }
    }

    #[test]
    fn a_feature_that_is_lacking_or_unknown_is_refused() {
        for (number, name) in [(0, "FEATURE_UNSPECIFIED"), (99, "99")] {
            let asked = pb::Caller {
                required_features: vec![number],
                ..pb::Caller::default()
            };
            let fault = Caller::admit(Some(asked), &loopback(), &Fence::default()).unwrap_err();
            assert_eq!(fault.reason(), Reason::FeatureUnsupported);
            assert_eq!(fault.metadata["feature"], name);
        }
    }

    #[test]
    fn a_client_that_may_not_speak_for_a_hub_does_not_raise_its_fence() {
        let fence = Fence::default();
        let asked = |epoch| pb::Caller {
            hub_id: "hub".into(),
            epoch: Some(epoch),
            ..pb::Caller::default()
        };
        let stranger = Client::new("stranger", Hubs::Only(["other".to_owned()].into()));
        let refused = Caller::admit(Some(asked(9)), &stranger, &fence).unwrap_err();
        assert_eq!(refused.reason(), Reason::ClientNotAllowed);
        Caller::admit(Some(asked(1)), &loopback(), &fence).unwrap();
        let stale = Caller::admit(Some(asked(0)), &loopback(), &fence).unwrap_err();
        assert_eq!(stale.reason(), Reason::StaleEpoch);
    }
}
