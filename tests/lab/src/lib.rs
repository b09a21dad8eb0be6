//! The local hub and vCenter that tests, the demo and people run on.
//!
//! Real parts, no mocks: etcd, kube-apiserver, govmomi's simulator, grpcurl, and both services as
//! real processes, on loopback ports, with mutual TLS between them.

pub mod agents;
pub mod canary;
pub mod certificates;
mod command;
pub mod control;
mod error;
pub mod files;
mod grpc;
pub mod grpcurl;
mod hexadecimal;
pub mod hub;
pub mod images;
mod lab;
pub mod metrics;
pub mod ports;
pub mod process;
pub mod proxy;
mod secret;
pub mod services;
pub mod state;
mod tls;
pub mod tools;
pub mod vcenter;

pub(crate) use command::{command, run};
pub use error::{Error, Result};
pub use lab::{Builder, CREDENTIALS, DATASTORE, ISO, Lab, Site, VCENTER, wait_for};
