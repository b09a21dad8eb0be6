//! Turns the Kubernetes state of a hub into calls of the vSphere driver.
