//! What both services promise, seen from outside: real processes in a lab, asked by grpcurl and
//! kubectl, and checked by govc.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what the tests share may fail them, too"
)]

mod adoption;
mod agents;
mod callers;
mod catalogue;
mod crashes;
mod datastores;
mod demand;
mod ejection;
mod faults;
mod fetching;
mod handover;
mod healing;
mod hostile;
mod hub;
mod infra_envs;
mod isos;
mod leadership;
mod leaving;
mod load;
mod machines;
mod matrix;
mod metrics;
mod names;
mod nodepool;
mod obstacles;
mod outages;
mod partitions;
mod pool;
mod readme;
mod requests;
mod room;
mod sessions;
mod traces;
mod watch;
mod zone;
