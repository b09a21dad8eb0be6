//! A call as a plain value, before it is sent.

use super::{Method, MoRef, xml::Writer};
use std::{fmt, time::Duration};

const HEAD: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/""#,
    r#" xmlns:xsd="http://www.w3.org/2001/XMLSchema""#,
    r#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#,
);
const TAIL: &str = "</soapenv:Body></soapenv:Envelope>";

/// One method of one object, with its parameters.
#[derive(Clone)]
pub struct Request {
    method: Method,
    timeout: Option<Duration>,
    parameters: Writer,
}

// === impl Request ===

impl Request {
    /// A call of this method of `this`, without parameters.
    pub fn new(method: Method, this: &MoRef) -> Self {
        let mut parameters = Writer::with_capacity(256);
        parameters.mo("_this", this);
        Self {
            method,
            timeout: None,
            parameters,
        }
    }

    /// The same, with these parameters, which have to come in the order of the WSDL.
    pub fn with(mut self, write: impl FnOnce(&mut Writer)) -> Self {
        write(&mut self.parameters);
        self
    }

    /// The same, with a deadline of its own.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The method, for logs and metrics.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Its own deadline, if it has one.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What is sent. vCenter writes the operation id to its logs.
    pub fn envelope(&self, operation_id: Option<&str>) -> String {
        let method = self.method.name();
        let mut envelope = Writer::with_capacity(self.parameters.as_str().len() + 512);
        envelope.raw(HEAD);
        if let Some(id) = operation_id {
            envelope.raw("<soapenv:Header>");
            envelope.leaf("operationID", id);
            envelope.raw("</soapenv:Header>");
        }
        envelope
            .raw("<soapenv:Body><")
            .raw(method)
            .raw(r#" xmlns="urn:vim25">"#)
            .raw(self.parameters.as_str())
            .raw("</")
            .raw(method)
            .raw(">")
            .raw(TAIL);
        envelope.into_string()
    }
}

// Parameters may hold a password.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method.name())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{Element, xml::Limits};

    #[test]
    fn an_envelope_holds_operation_id_and_method() {
        let vm = MoRef::new("VirtualMachine", "vm-1");
        let envelope = Request::new(Method::PowerOffVm, &vm).envelope(Some("op<1>"));
        let read = Element::parse(envelope.as_bytes(), Limits::DEFAULT).unwrap();
        assert_eq!(read.str("Header.operationID"), Some("op<1>"));
        assert_eq!(read.moref_at("Body.PowerOffVM_Task._this"), Some(vm));
    }

    #[test]
    fn parameters_are_not_printed() {
        let request = Request::new(
            Method::Login,
            &MoRef::new("SessionManager", "SessionManager"),
        );
        let request = request.with(|w| {
            w.leaf("password", "canary");
        });
        let shown = format!("{request:?}");
        assert!(
            shown.contains("Login") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
