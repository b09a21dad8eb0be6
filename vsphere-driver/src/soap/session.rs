//! What a vCenter is, logging in and logging out.

use super::{Client, Element, Error, Method, MoRef, Request, xml::InvalidXml};
use crate::secret::Secret;

/// The objects that a vCenter begins with, and what it is. Readable without a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceContent {
    /// The folder that everything is in.
    pub root_folder: MoRef,
    /// Reads and watches properties.
    pub property_collector: MoRef,
    /// Makes views.
    pub view_manager: MoRef,
    /// Logs in and out.
    pub session_manager: MoRef,
    /// Finds objects by name and UUID.
    pub search_index: MoRef,
    /// Knows who may do what.
    pub authorization_manager: MoRef,
    /// Moves and deletes files on datastores.
    pub file_manager: MoRef,
    /// Makes folders on datastores where those at the top are objects. A single host has none.
    pub namespace_manager: Option<MoRef>,
    /// What it is.
    pub about: About,
}

/// What a vCenter is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `VMware vCenter Server 8.0.3 build-24022515`.
    pub full_name: String,
    /// `8.0.3`.
    pub version: String,
    /// `24022515`.
    pub build: String,
    /// `VirtualCenter`, or `HostAgent` for a single host.
    pub api_type: String,
    /// `8.0.3.0`.
    pub api_version: String,
    /// Its own UUID. Empty for a single host.
    pub instance_uuid: String,
}

/// A session that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSession {
    /// Its key. Not the cookie, but kept from logs all the same.
    pub key: String,
    /// The user, as vCenter calls it.
    pub user_name: String,
}

// === impl ServiceContent ===

impl ServiceContent {
    /// Of the element that `RetrieveServiceContent` returns.
    ///
    /// # Errors
    /// An object that every vCenter has is missing.
    pub fn of(content: &Element) -> Result<Self, InvalidXml> {
        let object = |name: &'static str| content.moref_at(name).ok_or(InvalidXml::Missing(name));
        Ok(Self {
            root_folder: object("rootFolder")?,
            property_collector: object("propertyCollector")?,
            view_manager: object("viewManager")?,
            session_manager: object("sessionManager")?,
            search_index: object("searchIndex")?,
            authorization_manager: object("authorizationManager")?,
            file_manager: object("fileManager")?,
            namespace_manager: content.moref_at("datastoreNamespaceManager"),
            about: content.child("about").map(About::of).unwrap_or_default(),
        })
    }
}

// === impl About ===

impl About {
    fn of(about: &Element) -> Self {
        let text = |name| about.str(name).unwrap_or_default().to_owned();
        Self {
            full_name: text("fullName"),
            version: text("version"),
            build: text("build"),
            api_type: text("apiType"),
            api_version: text("apiVersion"),
            instance_uuid: text("instanceUuid"),
        }
    }
}

// === impl UserSession ===

impl std::fmt::Debug for UserSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserSession")
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// The request of [`Client::service_content`].
pub fn retrieve_service_content() -> Request {
    let this = MoRef::new("ServiceInstance", "ServiceInstance");
    Request::new(Method::RetrieveServiceContent, &this)
}

/// The request of [`Client::current_time`].
pub fn current_time() -> Request {
    let this = MoRef::new("ServiceInstance", "ServiceInstance");
    Request::new(Method::CurrentTime, &this)
}

/// The request of [`Client::login`].
pub fn login(session_manager: &MoRef, user: &str, password: &Secret) -> Request {
    Request::new(Method::Login, session_manager).with(|w| {
        // Locale is left out: faults are told apart by type, messages may be anyone's language.
        w.leaf("userName", user).leaf("password", password.expose());
    })
}

/// The request of [`Client::logout`].
pub fn logout(session_manager: &MoRef) -> Request {
    Request::new(Method::Logout, session_manager)
}

// === impl Client ===

impl Client {
    /// What the server is. Needs no session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn service_content(&self) -> Result<ServiceContent, Error> {
        self.call_with(retrieve_service_content(), |cursor, start| {
            let response = cursor.element(start)?;
            let missing = InvalidXml::Missing("returnval");
            ServiceContent::of(response.child("returnval").ok_or(missing)?)
        })
        .await
    }

    /// Logs in. The session's cookie is kept by the client and its clones.
    ///
    /// # Errors
    /// See [`Error`]; `InvalidLogin` is the fault of a wrong credential.
    pub async fn login(
        &self,
        content: &ServiceContent,
        user: &str,
        password: &Secret,
    ) -> Result<UserSession, Error> {
        let request = login(&content.session_manager, user, password);
        self.call_with(request, |cursor, start| {
            let response = cursor.element(start)?;
            let key = response.str("returnval.key");
            let user_name = response.str("returnval.userName").unwrap_or(user);
            Ok(UserSession {
                key: key.ok_or(InvalidXml::Missing("key"))?.to_owned(),
                user_name: user_name.to_owned(),
            })
        })
        .await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn logout(&self, content: &ServiceContent) -> Result<(), Error> {
        self.call(logout(&content.session_manager)).await.map(drop)
    }

    /// The server's clock; keeps an idle session alive, and fails with `NotAuthenticated` without one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn current_time(&self) -> Result<String, Error> {
        self.call_with(current_time(), |cursor, start| {
            let response = cursor.element(start)?;
            let time = response.str("returnval").map(str::to_owned);
            time.ok_or(InvalidXml::Missing("returnval"))
        })
        .await
    }
}
