//! Gives a reason to the statuses that the transport makes by itself.

use super::info::MAX_MESSAGE_BYTES;
use contract::v1::{Fault, Reason};
use tonic::{Code, Status};

/// How tonic begins its message about a request that is no message of the right type.
const UNDECODABLE: &str = "failed to decode Protobuf message";

/// What `status` means in the words of the contract. `None`: it says so itself, or has no such words.
pub(crate) fn fault(status: &Status, path: &str) -> Option<Fault> {
    if !status.details().is_empty() {
        return None;
    }
    match status.code() {
        Code::OutOfRange => {
            let what = format!("the request has more than {MAX_MESSAGE_BYTES} bytes");
            Some(Fault::new(Reason::LimitExceeded, what).with("limit", MAX_MESSAGE_BYTES))
        }
        Code::Unimplemented => {
            let what = format!("this driver has no call `{path}`");
            Some(Fault::new(Reason::FeatureUnsupported, what))
        }
        Code::Internal if status.message().starts_with(UNDECODABLE) => {
            let problem = format!("cannot be decoded: {}", status.message());
            Some(Fault::invalid("request", problem))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_of_the_transport_has_a_reason() {
        let explained = Fault::new(Reason::Overloaded, "much").into_status("");
        for (status, reason) in [
            (Status::out_of_range("5 MiB"), Some(Reason::LimitExceeded)),
            (Status::unimplemented(""), Some(Reason::FeatureUnsupported)),
            (
                Status::internal(format!("{UNDECODABLE}: invalid tag")),
                Some(Reason::InvalidField),
            ),
            (Status::internal("other"), None),
            (explained, None),
        ] {
            let fault = fault(&status, "/s/m");
            assert_eq!(fault.map(|fault| fault.reason()), reason, "{status}");
        }
    }
}
