//! Virtual machines: whose they are, what is done to them, and what is told of them.

pub mod absence;
pub mod change;
pub mod config_spec;
pub mod create;
pub mod decide;
pub mod delete;
pub mod devices;
pub mod eject;
pub mod handover;
pub mod job;
pub mod mark;
pub mod power;
pub mod reading;
pub mod references;
pub mod view;
pub mod vm;
pub mod work;
pub mod work_request;
