//! What is read of the installer's `InfraEnv`.

use super::{Foreign, Kind, View};
use serde::Deserialize;

/// What a discovery ISO is made from; its Agents are in its namespace.
pub type InfraEnv = View<InfraEnvSpec>;

/// What is asked of a discovery ISO: nothing that is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct InfraEnvSpec {}

/// What was seen of it: nothing that is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct InfraEnvStatus {}

impl Foreign for InfraEnvSpec {
    const KIND: Kind = Kind::InfraEnv;
    type Status = InfraEnvStatus;
}
