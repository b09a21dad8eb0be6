//! Turns the Kubernetes state of a hub into calls of the vSphere driver.

pub mod context;
pub mod crd;
pub mod credentials;
pub mod driver;
#[cfg(test)]
mod fixtures;
pub mod leader;
pub mod link;
pub mod manifests;
pub mod metrics;
pub mod reason;
pub mod reconcile;
pub mod retry;
pub mod run;
pub mod validation;
pub mod wish;
