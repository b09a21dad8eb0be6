//! Writes statuses and events.

use super::{Error, Memory, Work, events, plan::Plan};
use crate::{
    context::CONTROLLER,
    crd::{VMwareNodePoolTemplate, VMwareNodePoolTemplateSpec, VMwareNodePoolTemplateStatus},
    driver::Driver,
};
use jiff::Timestamp;
use kube::{
    Resource as _,
    api::{ObjectMeta, PostParams},
};

impl<D: Driver> Work<'_, D> {
    /// Writes the status if it differs, unless one was written a moment ago; then says when.
    pub(super) async fn report(
        &self,
        memory: &mut Memory,
        old: &VMwareNodePoolTemplateStatus,
        (status, plan): (&VMwareNodePoolTemplateStatus, &Plan),
    ) -> Result<Option<Timestamp>, Error> {
        if old == status {
            return Ok(None);
        }
        // What goes for good is written at once: it rests on what was found this moment. So is the end, which
        // others have to see before they look whether their common Secret is still needed.
        let pressing = plan.finished || plan.record.leaves_more_than(old);
        if let Some(later) = memory.not_before((self.ctx.now)()).filter(|_| !pressing) {
            return Ok(Some(later));
        }
        self.write(memory, old, status).await?;
        Ok(None)
    }

    /// Writes the status, unless anybody wrote since: one who leads no more, and does not know it yet, would
    /// take back slots that the next leader has given out.
    pub(super) async fn write(
        &self,
        memory: &mut Memory,
        old: &VMwareNodePoolTemplateStatus,
        status: &VMwareNodePoolTemplateStatus,
    ) -> Result<(), Error> {
        let version = memory.status(self.template).version();
        let owner = &self.wish.owner;
        // Of a status the API server takes nothing else. Applying it costs the server half as much again.
        let template = VMwareNodePoolTemplate {
            metadata: ObjectMeta {
                name: Some(owner.name.clone()),
                namespace: Some(owner.namespace.clone()),
                uid: Some(owner.uid.clone()),
                resource_version: Some(version.to_string()),
                ..ObjectMeta::default()
            },
            spec: VMwareNodePoolTemplateSpec::default(),
            status: Some(status.clone()),
        };
        let params = PostParams {
            field_manager: Some(CONTROLLER.into()),
            ..PostParams::default()
        };
        // A status of thousands of machines takes the API server a second: that is not waited for twice.
        let begun = (self.ctx.now)();
        let written = self
            .templates
            .replace_status(&owner.name, &params, &template)
            .await
            .map_err(Error::WriteStatus)?;
        memory.wrote(written, begun);
        self.ctx
            .metrics
            .wrote((&owner.namespace, &owner.name), old, status);
        self.ctx.metrics.links(self.ctx.links.count());
        self.publish(old, status).await;
        Ok(())
    }

    async fn publish(
        &self,
        old: &VMwareNodePoolTemplateStatus,
        new: &VMwareNodePoolTemplateStatus,
    ) {
        for event in events::events(old, new) {
            self.tell(&event).await;
        }
    }

    pub(super) async fn tell(&self, event: &kube::runtime::events::Event) {
        let reference = self.template.object_ref(&());
        if let Err(error) = self.ctx.recorder.publish(event, &reference).await {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(error, reason = event.reason, "Writing an event failed");
        }
    }
}
