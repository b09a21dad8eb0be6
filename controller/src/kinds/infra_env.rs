//! What is read of the installer's `InfraEnv`.

use super::{Foreign, Kind, View};
use crate::hidden::Hidden;
use serde::Deserialize;

/// What a discovery ISO is made from; its Agents are in its namespace.
pub type InfraEnv = View<InfraEnvSpec>;

/// What is asked of a discovery ISO: nothing that is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct InfraEnvSpec {}

/// What was seen of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct InfraEnvStatus {
    /// Where the image is fetched. Empty while there is none.
    #[serde(rename = "isoDownloadURL")]
    pub iso_download_url: Hidden,
    /// When the image was made, or made anew.
    pub created_time: String,
    /// What holds and what does not.
    pub conditions: Vec<InfraEnvCondition>,
}

/// One condition of an `InfraEnv`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct InfraEnvCondition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a sentence.
    pub message: String,
}

impl Foreign for InfraEnvSpec {
    const KIND: Kind = Kind::InfraEnv;
    type Status = InfraEnvStatus;
}
