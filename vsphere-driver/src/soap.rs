//! A thin client of vCenter's SOAP API (`urn:vim25`), from version 7.0 on.
//!
//! It knows what vCenter says and nothing of what we want from it: one call, one answer, one typed
//! error. Logging in again, repeating and remembering are the session's.
//!
//! A request is a plain value (`Request`) whose elements stand in the order of the WSDL, which
//! vCenter insists on and the simulator does not; `vectors/` holds what an independent client sends
//! for the same requests. A reply is read tolerantly: what is unknown is skipped.

pub mod authorization;
pub mod client;
pub mod config_spec;
pub mod counts;
pub mod datastore;
pub mod device;
pub mod error;
pub mod fault;
pub mod file_manager;
pub mod folder;
pub mod method;
pub mod moref;
pub mod namespace_manager;
pub mod power_on;
pub mod property_collector;
pub mod question;
pub mod reconfigure;
pub mod reply;
pub mod request;
pub mod search;
pub mod server;
pub mod session;
pub mod task;
pub mod trust;
pub mod views;
pub mod virtual_machine;
pub mod xml;

#[cfg(test)]
mod replies;
#[cfg(test)]
mod vectors;

pub use self::{
    client::{Client, Settings},
    error::Error,
    fault::VimFault,
    method::Method,
    moref::MoRef,
    request::Request,
    server::Server,
    session::ServiceContent,
    trust::Trust,
    xml::Element,
};
