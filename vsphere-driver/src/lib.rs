//! Serves the contract beside vCenter: sessions, inventory and the work on machines.

pub mod audit;
pub mod config;
pub mod edge;
pub mod logs;
pub mod secret;
pub mod serve;
pub mod shutdown;
pub mod soap;
