//! Asks what a session may do.

use super::{Client, Element, Error, Method, MoRef, Request};

/// What a session may not do with one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityPrivileges {
    /// The object.
    pub entity: MoRef,
    /// The privileges that were asked about and are not granted.
    pub missing: Vec<String>,
}

// === impl EntityPrivileges ===

impl EntityPrivileges {
    fn of(entity: &Element) -> Option<Self> {
        let missing = entity
            .all("privAvailability")
            .filter(|privilege| privilege.bool("isGranted") != Some(true))
            .filter_map(|privilege| privilege.str("privId").map(str::to_owned));
        Some(Self {
            entity: entity.moref_at("entity")?,
            missing: missing.collect(),
        })
    }
}

/// The request of [`Client::has_privileges`].
pub fn has_privileges(
    authorization_manager: &MoRef,
    session_key: &str,
    entities: &[MoRef],
    privileges: &[&str],
) -> Request {
    Request::new(Method::HasPrivilegeOnEntities, authorization_manager).with(|w| {
        w.mos("entity", entities)
            .leaf("sessionId", session_key)
            .leaves("privId", privileges);
    })
}

// === impl Client ===

impl Client {
    /// Which of these privileges the session lacks on each of these objects.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn has_privileges(
        &self,
        authorization_manager: &MoRef,
        session_key: &str,
        entities: &[MoRef],
        privileges: &[&str],
    ) -> Result<Vec<EntityPrivileges>, Error> {
        let request = has_privileges(authorization_manager, session_key, entities, privileges);
        let response = self.call(request).await?;
        let found = response.all("returnval").filter_map(EntityPrivileges::of);
        Ok(found.collect())
    }
}
