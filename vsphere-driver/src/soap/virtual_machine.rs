//! What is done to virtual machines. Each of these starts a task and gives it.

use super::{Client, Error, Method, MoRef, Request, config_spec::ConfigSpec};

/// The request of [`Client::create_vm`].
pub fn create_vm(
    folder: &MoRef,
    config: &ConfigSpec,
    pool: &MoRef,
    host: Option<&MoRef>,
) -> Request {
    Request::new(Method::CreateVm, folder).with(|w| {
        w.el("config", |w| config.write(w))
            .mo("pool", pool)
            .mos("host", host);
    })
}

/// The request of [`Client::power_on`].
pub fn power_on(datacenter: &MoRef, vms: &[MoRef]) -> Request {
    Request::new(Method::PowerOnMultiVm, datacenter).with(|w| {
        w.mos("vm", vms);
        // Where DRS is set to manual it would only recommend, and start nothing.
        w.typed("option", "OptionValue", |w| {
            w.leaf("key", "OverrideAutomationLevel")
                .any_string("value", "fullyAutomated");
        });
    })
}

/// The request of [`Client::power_on_one`].
pub fn power_on_one(vm: &MoRef, host: Option<&MoRef>) -> Request {
    Request::new(Method::PowerOnVm, vm).with(|w| {
        w.mos("host", host);
    })
}

/// The request of [`Client::power_off`].
pub fn power_off(vm: &MoRef) -> Request {
    Request::new(Method::PowerOffVm, vm)
}

/// The request of [`Client::destroy`].
pub fn destroy(object: &MoRef) -> Request {
    Request::new(Method::Destroy, object)
}

// === impl Client ===

impl Client {
    /// Creates a machine in `folder`. Without a host, vCenter chooses one: only where the pool belongs
    /// to a DRS cluster or a stand-alone host.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_vm(
        &self,
        folder: &MoRef,
        config: &ConfigSpec,
        pool: &MoRef,
        host: Option<&MoRef>,
    ) -> Result<MoRef, Error> {
        self.object(create_vm(folder, config, pool, host)).await
    }

    /// Powers machines of one datacenter on, placed together by DRS. The task's success says nothing
    /// of a single machine: its result is a [`PowerOnResult`](super::power_on::PowerOnResult).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn power_on(&self, datacenter: &MoRef, vms: &[MoRef]) -> Result<MoRef, Error> {
        self.object(power_on(datacenter, vms)).await
    }

    /// Powers one machine on, for a single host that is not behind a vCenter.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn power_on_one(&self, vm: &MoRef, host: Option<&MoRef>) -> Result<MoRef, Error> {
        self.object(power_on_one(vm, host)).await
    }

    /// Powers a machine off, hard.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn power_off(&self, vm: &MoRef) -> Result<MoRef, Error> {
        self.object(power_off(vm)).await
    }

    /// Destroys an object and all that is in it; of a machine, its files, too.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn destroy(&self, object: &MoRef) -> Result<MoRef, Error> {
        self.object(destroy(object)).await
    }
}
