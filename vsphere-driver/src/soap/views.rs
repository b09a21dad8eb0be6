//! Views: sets of objects that vCenter keeps up to date, for filters to walk through.

use super::{Client, Error, Method, MoRef, Request};

/// The request of [`Client::create_container_view`].
pub fn create_container_view(view_manager: &MoRef, container: &MoRef, kinds: &[&str]) -> Request {
    Request::new(Method::CreateContainerView, view_manager).with(|w| {
        w.mo("container", container)
            .leaves("type", kinds)
            .leaf("recursive", true);
    })
}

/// The request of [`Client::create_list_view`].
pub fn create_list_view(view_manager: &MoRef, objects: &[MoRef]) -> Request {
    Request::new(Method::CreateListView, view_manager).with(|w| {
        w.mos("obj", objects);
    })
}

/// The request of [`Client::modify_list_view`].
pub fn modify_list_view(view: &MoRef, add: &[MoRef], remove: &[MoRef]) -> Request {
    Request::new(Method::ModifyListView, view).with(|w| {
        w.mos("add", add).mos("remove", remove);
    })
}

/// The request of [`Client::destroy_view`].
pub fn destroy_view(view: &MoRef) -> Request {
    Request::new(Method::DestroyView, view)
}

// === impl Client ===

impl Client {
    /// Makes a view of all objects of these types below `container`, and of those that come later.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_container_view(
        &self,
        view_manager: &MoRef,
        container: &MoRef,
        kinds: &[&str],
    ) -> Result<MoRef, Error> {
        self.object(create_container_view(view_manager, container, kinds))
            .await
    }

    /// Makes a view of these objects.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_list_view(
        &self,
        view_manager: &MoRef,
        objects: &[MoRef],
    ) -> Result<MoRef, Error> {
        self.object(create_list_view(view_manager, objects)).await
    }

    /// Puts objects into a list view and takes others out. Gives those that no longer exist.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn modify_list_view(
        &self,
        view: &MoRef,
        add: &[MoRef],
        remove: &[MoRef],
    ) -> Result<Vec<MoRef>, Error> {
        let response = self.call(modify_list_view(view, add, remove)).await?;
        Ok(response.morefs().collect())
    }

    /// Gives a view up.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn destroy_view(&self, view: &MoRef) -> Result<(), Error> {
        self.call(destroy_view(view)).await.map(drop)
    }
}
