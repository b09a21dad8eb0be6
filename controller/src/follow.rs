//! Follows one object by its name: what it says, and each change of it.
//!
//! A watch of one name needs no right to any other object, and has no other one in memory.

use crate::hub::Sought;
use futures::StreamExt as _;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt as _, watcher::watch_object},
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, pin::pin};

/// Follows the object of this name, and tells what is known of it. Never returns.
///
/// Once it could be read, or was not there, that stands until something else is told: what cannot be looked at for
/// a while is still so. Before that, why it cannot be read is told.
pub(crate) async fn follow<K>(api: Api<K>, name: &str, mut tell: impl FnMut(Sought<K>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default,
{
    let mut changes = pin!(watch_object(api, name).default_backoff());
    let mut is_known = false;
    while let Some(change) = changes.next().await {
        match change {
            Ok(object) => {
                is_known = true;
                tell(object.map_or(Sought::Absent, Sought::Found));
            }
            Err(error) => {
                let kind = K::kind(&K::DynamicType::default()).into_owned();
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(kind, name, error, "Object cannot be followed");
                if !is_known {
                    tell(Sought::Unreadable(error));
                }
            }
        }
    }
}
