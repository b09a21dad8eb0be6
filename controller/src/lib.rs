//! Turns the Kubernetes state of a hub into calls of the vSphere driver.

mod adoption;
mod agents;
pub mod capacity;
pub mod context;
pub mod crd;
pub mod credentials;
mod demand;
pub mod driver;
#[cfg(test)]
mod fixtures;
mod follow;
pub mod healing;
pub mod hidden;
pub mod hub;
pub mod iso;
pub mod kinds;
pub mod leader;
pub mod leaving;
pub mod link;
pub mod manifests;
pub mod metrics;
pub mod pool;
pub mod reason;
pub mod reconcile;
pub mod requests;
pub mod retry;
pub mod run;
pub mod validation;
pub mod wish;
