//! Turns the Kubernetes state of a hub into calls of the vSphere driver.

pub mod crd;
pub mod manifests;
pub mod validation;
