//! The kinds that node pools live on, applied and taken away.

use super::Lab;
use crate::error::Result;
use crate::hub::kinds;

impl Lab {
    /// Applies the CRDs of HyperShift, the assisted installer and Cluster API, and waits until they
    /// are served; [`Builder::node_pools`](super::Builder::node_pools) does it before the services
    /// start.
    pub async fn apply_node_pool_kinds(&self) -> Result<()> {
        let (kubectl, kubeconfig) = (&self.tools.kubectl, self.kubeconfig()?);
        let aside = self.folder().join("kinds");
        kinds::apply(kubectl, kubeconfig, &self.kinds, &aside).await
    }

    /// Takes them away with all their objects, and returns without waiting for the end of it.
    ///
    /// For a hub of the lab's own: others that share it would lose them, too.
    pub async fn remove_node_pool_kinds(&self) -> Result<()> {
        kinds::remove(&self.tools.kubectl, self.kubeconfig()?).await
    }
}
