//! A [`Fault`] and the gRPC status that carries the same knowledge.

use crate::{
    PACKAGE,
    reason::{self, Row},
    v1::{Fault, Reason, RetryClass},
};
use std::{collections::HashMap, fmt, time::Duration};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

const RETRY_CLASS: &str = "retry_class";
const VSPHERE_FAULT: &str = "vsphere_fault";
const OPERATION_ID: &str = "operation_id";

// === impl Fault ===

impl Fault {
    /// A fault of this reason: what happened and to what, a phrase without a full stop. The message
    /// becomes that phrase and the reason's advice.
    pub fn new(reason: Reason, what: impl fmt::Display) -> Self {
        let Row { retry, advice, .. } = reason.row();
        Self {
            reason: reason.into(),
            message: format!("{what}. {advice}"),
            retry: (*retry).into(),
            ..Self::default()
        }
    }

    /// An [`Reason::InvalidField`] of `field`, a path in the request.
    pub fn invalid(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        let field = field.into();
        Self::new(Reason::InvalidField, format!("`{field}` {problem}")).at(field)
    }

    /// The same, about this field of the request.
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        if self.reason().row().metadata.contains(&"field") {
            self.metadata.insert("field".into(), self.field.clone());
        }
        self
    }

    /// The same, with one of the keys that the reason lists.
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        debug_assert!(
            self.reason().row().metadata.contains(&key),
            "{key} is not listed"
        );
        self.metadata.insert(key.into(), value.to_string());
        self
    }

    /// The same, not to be tried again before `wait` has passed.
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = prost_types::Duration::try_from(wait).ok();
        self
    }

    /// The same, because of this type of vSphere fault.
    pub fn because_of(mut self, vsphere_fault: impl Into<String>) -> Self {
        self.vsphere_fault = vsphere_fault.into();
        self
    }

    /// How long to wait before trying again, where that is known.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.and_then(|wait| wait.try_into().ok())
    }

    /// The status of a call that failed as a whole for it, in the operation of this id (may be empty).
    pub fn into_status(self, operation_id: &str) -> Status {
        let row = self.reason().row();
        let mut metadata: HashMap<_, _> = self.metadata.clone().into_iter().collect();
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                metadata.insert(key.into(), value.into());
            }
        };
        add(RETRY_CLASS, short_name(self.retry()));
        add(VSPHERE_FAULT, &self.vsphere_fault);
        add(OPERATION_ID, operation_id);
        let mut details = ErrorDetails::with_error_info(row.name, PACKAGE, metadata);
        if let Some(wait) = self.wait() {
            details.set_retry_info(Some(wait));
        }
        self.add_detail_of_code(row, &mut details);
        Status::with_error_details(row.code, self.message, details)
    }

    fn add_detail_of_code(&self, row: &Row, details: &mut ErrorDetails) {
        let subject = if self.field.is_empty() {
            self.object()
        } else {
            &self.field
        };
        match row.code {
            Code::InvalidArgument => {
                details.add_bad_request_violation(&self.field, &self.message);
            }
            Code::FailedPrecondition => {
                details.add_precondition_failure_violation(row.name, subject, &self.message);
            }
            Code::NotFound | Code::AlreadyExists | Code::PermissionDenied => {
                let owner = self.metadata.get("owner").map_or("", String::as_str);
                details.set_resource_info("", self.object(), owner, &self.message);
            }
            _ => {}
        }
    }

    /// The object that it is about, as far as its metadata says.
    fn object(&self) -> &str {
        [
            "moref",
            "object",
            "name",
            "path",
            "vcenter",
            "datastore",
            "client",
            "server",
            "asked",
        ]
        .iter()
        .find_map(|key| self.metadata.get(*key))
        .map_or("", String::as_str)
    }

    /// How long a status asks to wait, whoever made it.
    pub fn wait_of_status(status: &Status) -> Option<Duration> {
        status.get_details_retry_info()?.retry_delay
    }

    /// What a status says, if it came from a driver of this contract. A reason that this side does not
    /// know stays `REASON_UNSPECIFIED`, with its retry class.
    pub fn of_status(status: &Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == PACKAGE)?;
        let mut metadata = info.metadata.clone();
        let reason = reason::of_name(&info.reason).unwrap_or(Reason::Unspecified);
        let retry = metadata
            .remove(RETRY_CLASS)
            .and_then(|name| retry_class(&name));
        metadata.remove(OPERATION_ID);
        let wait = details.retry_info().and_then(|info| info.retry_delay);
        Some(Self {
            reason: reason.into(),
            message: status.message().to_owned(),
            retry: retry.unwrap_or(reason.row().retry).into(),
            retry_after: wait.and_then(|wait| wait.try_into().ok()),
            field: field(&details),
            vsphere_fault: metadata.remove(VSPHERE_FAULT).unwrap_or_default(),
            metadata: metadata.into_iter().collect(),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason().row().name, self.message)
    }
}

fn field(details: &ErrorDetails) -> String {
    let violations = details.bad_request().map(|b| b.field_violations.as_slice());
    violations
        .and_then(<[_]>::first)
        .map(|v| v.field.clone())
        .unwrap_or_default()
}

fn short_name(class: RetryClass) -> &'static str {
    class.as_str_name().trim_start_matches("RETRY_CLASS_")
}

fn retry_class(short_name: &str) -> Option<RetryClass> {
    RetryClass::from_str_name(&format!("RETRY_CLASS_{short_name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_way_through_a_status() {
        for fault in [
            Fault::invalid("identities[1].slot", "must be at least 1"),
            Fault::new(Reason::Overloaded, "20,000 machines are queued")
                .after(Duration::from_secs(3)),
            Fault::new(Reason::VcenterPermissionDenied, "may not create")
                .with("privilege", "VirtualMachine.Inventory.Create")
                .with("object", "group-v3")
                .because_of("NoPermission"),
        ] {
            let status = fault.clone().into_status("op-1");
            assert_eq!(status.code(), fault.reason().row().code);
            assert_eq!(Fault::of_status(&status), Some(fault));
        }
    }

    #[test]
    fn a_reason_of_a_newer_driver_keeps_its_retry_class() {
        let metadata = HashMap::from([(RETRY_CLASS.to_owned(), "SLOW".to_owned())]);
        let details = ErrorDetails::with_error_info("NEWER", PACKAGE, metadata);
        let status = Status::with_error_details(Code::Aborted, "something new", details);
        let fault = Fault::of_status(&status).expect("ours");
        assert_eq!(
            (fault.reason(), fault.retry()),
            (Reason::Unspecified, RetryClass::Slow)
        );
    }

    #[test]
    fn a_status_that_no_driver_made_is_no_fault() {
        assert_eq!(
            Fault::of_status(&Status::unavailable("connection refused")),
            None
        );
    }

    #[test]
    fn a_refused_field_and_a_failed_precondition_have_the_standard_details() {
        let status = Fault::invalid("wait", "is negative").into_status("");
        let details = status.get_error_details();
        let violations = &details.bad_request().expect("bad request").field_violations;
        assert_eq!(violations[0].field, "wait");

        let unknown = Fault::new(Reason::VcenterUnknown, "no vCenter `x`").with("vcenter", "x");
        let details = unknown.into_status("").get_error_details();
        let violations = &details
            .precondition_failure()
            .expect("precondition")
            .violations;
        assert_eq!(
            (&*violations[0].r#type, &*violations[0].subject),
            ("VCENTER_UNKNOWN", "x")
        );
    }
}
