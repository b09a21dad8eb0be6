//! Reads properties of many objects at once, and waits for them to change.

mod filter_spec;
mod retrieve;
mod update_set;

pub use self::{
    filter_spec::{FilterSpec, Objects, PropertySpec},
    retrieve::ObjectContent,
    update_set::{
        ChangeOp, FilterUpdate, MissingObject, MissingProperty, ObjectChange, ObjectUpdate,
        PropertyChange, UpdateSet,
    },
};

use self::retrieve::Page;
#[cfg(test)]
pub(crate) use self::{retrieve::read_objects, update_set::read_updates};
use super::{Client, Error, Method, MoRef, Request};
use std::time::Duration;

/// How much longer than the server's own wait a reply may take to come.
const SLACK: Duration = Duration::from_secs(30);

/// How long and for how much to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitOptions {
    /// How long the server holds its reply while nothing changes.
    pub max_wait: Duration,
    /// Objects in one reply; what is more comes with the next call. `None`: the server decides.
    pub max_objects: Option<u32>,
}

/// The request of [`Client::create_property_collector`].
pub fn create_property_collector(property_collector: &MoRef) -> Request {
    Request::new(Method::CreatePropertyCollector, property_collector)
}

/// The request of [`Client::destroy_property_collector`].
pub fn destroy_property_collector(collector: &MoRef) -> Request {
    Request::new(Method::DestroyPropertyCollector, collector)
}

/// The request of [`Client::create_filter`].
pub fn create_filter(collector: &MoRef, spec: &FilterSpec) -> Request {
    Request::new(Method::CreateFilter, collector).with(|w| {
        w.el("spec", |w| spec.write(w))
            .leaf("partialUpdates", false);
    })
}

/// The request of [`Client::destroy_filter`].
pub fn destroy_filter(filter: &MoRef) -> Request {
    Request::new(Method::DestroyPropertyFilter, filter)
}

/// The request of [`Client::wait_for_updates`].
pub fn wait_for_updates(collector: &MoRef, version: &str, options: WaitOptions) -> Request {
    let WaitOptions {
        max_wait,
        max_objects,
    } = options;
    Request::new(Method::WaitForUpdatesEx, collector)
        .within(max_wait + SLACK)
        .with(|w| {
            let known = Some(version).filter(|version| !version.is_empty());
            w.opt("version", known).el("options", |w| {
                w.leaf("maxWaitSeconds", max_wait.as_secs())
                    .opt("maxObjectUpdates", max_objects);
            });
        })
}

/// The request of [`Client::cancel_wait_for_updates`].
pub fn cancel_wait_for_updates(collector: &MoRef) -> Request {
    Request::new(Method::CancelWaitForUpdates, collector)
}

/// The first request of [`Client::retrieve`].
pub fn retrieve_properties(
    collector: &MoRef,
    specs: &[FilterSpec],
    max_objects: Option<u32>,
) -> Request {
    Request::new(Method::RetrievePropertiesEx, collector).with(|w| {
        for spec in specs {
            w.el("specSet", |w| spec.write(w));
        }
        w.el("options", |w| {
            w.opt("maxObjects", max_objects);
        });
    })
}

/// The further requests of [`Client::retrieve`].
pub fn continue_retrieve_properties(collector: &MoRef, token: &str) -> Request {
    Request::new(Method::ContinueRetrievePropertiesEx, collector).with(|w| {
        w.leaf("token", token);
    })
}

/// Ends a reading of which the rest is not wanted.
pub fn cancel_retrieve_properties(collector: &MoRef, token: &str) -> Request {
    Request::new(Method::CancelRetrievePropertiesEx, collector).with(|w| {
        w.leaf("token", token);
    })
}

// === impl Client ===

impl Client {
    /// Makes a collector of one's own, whose filters and versions nobody else disturbs. Ends with the
    /// session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_property_collector(
        &self,
        property_collector: &MoRef,
    ) -> Result<MoRef, Error> {
        self.object(create_property_collector(property_collector))
            .await
    }

    /// Gives a collector up, with its filters.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn destroy_property_collector(&self, collector: &MoRef) -> Result<(), Error> {
        self.call(destroy_property_collector(collector))
            .await
            .map(drop)
    }

    /// Has a collector watch what `spec` selects.
    ///
    /// # Errors
    /// See [`Error`]; `InvalidProperty` if a path does not exist for its type.
    pub async fn create_filter(
        &self,
        collector: &MoRef,
        spec: &FilterSpec,
    ) -> Result<MoRef, Error> {
        self.object(create_filter(collector, spec)).await
    }

    /// Ends the watching of a filter.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn destroy_filter(&self, filter: &MoRef) -> Result<(), Error> {
        self.call(destroy_filter(filter)).await.map(drop)
    }

    /// What changed since `version`, all there is if that is empty; `None` if nothing did for as long
    /// as the options say. Its deadline follows from the options.
    ///
    /// # Errors
    /// See [`Error`]; `InvalidCollectorVersion` if the version is not known: begin anew.
    pub async fn wait_for_updates(
        &self,
        collector: &MoRef,
        version: &str,
        options: WaitOptions,
    ) -> Result<Option<UpdateSet>, Error> {
        let request = wait_for_updates(collector, version, options);
        self.call_with(request, |cursor, _| UpdateSet::read(cursor))
            .await
    }

    /// Ends a waiting, which then fails with `RequestCanceled`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cancel_wait_for_updates(&self, collector: &MoRef) -> Result<(), Error> {
        self.call(cancel_wait_for_updates(collector))
            .await
            .map(drop)
    }

    /// Reads what the specs select, once, in pages of `max_objects`. An object that does not exist is
    /// the fault `ManagedObjectNotFound` if it was named itself, and absent if it was in a view.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn retrieve(
        &self,
        collector: &MoRef,
        specs: &[FilterSpec],
        max_objects: Option<u32>,
    ) -> Result<Vec<ObjectContent>, Error> {
        let mut request = retrieve_properties(collector, specs, max_objects);
        let mut objects = Vec::new();
        loop {
            let page = self
                .call_with(request, |cursor, _| Page::read(cursor))
                .await?;
            objects.extend(page.objects);
            match page.token {
                Some(token) => request = continue_retrieve_properties(collector, &token),
                None => return Ok(objects),
            }
        }
    }
}
