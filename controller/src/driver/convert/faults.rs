//! What went wrong: of a call, or of one machine.

use crate::driver::{Fault, Kind, LoginPart, Retry};
use contract::v1 as pb;
use tonic::{Code, Status};

impl From<pb::Fault> for Fault {
    fn from(fault: pb::Fault) -> Self {
        let reason = fault.reason();
        Self {
            word: reason.row().word,
            retry: fault.retry().into(),
            after: fault.wait(),
            kind: match reason {
                pb::Reason::VcenterUnknown => Kind::VcenterUnknown,
                pb::Reason::StaleEpoch => Kind::StaleEpoch {
                    highest: highest_epoch(&fault),
                },
                _ => Kind::Other,
            },
            message: fault.message,
        }
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        if let Some(fault) = pb::Fault::of_status(&status) {
            return fault.into();
        }
        let message = chain(&status);
        match status.code() {
            Code::Unimplemented => Self {
                word: pb::Reason::FeatureUnsupported.row().word,
                message: format!("the driver lacks a call: {message}. Update the driver"),
                retry: Retry::Slow,
                after: None,
                kind: Kind::Other,
            },
            // Whoever stands between may be short of room, and say for how long.
            code => Self {
                after: pb::Fault::wait_of_status(&status),
                ..Self::unreachable(format!("the driver did not answer ({code:?}: {message})"))
            },
        }
    }
}

/// Why a vCenter was not connected.
pub(in crate::driver) fn of_connect(status: Status) -> Fault {
    let Some(told) = pb::Fault::of_status(&status) else {
        return status.into();
    };
    match login_part(&told) {
        None => told.into(),
        Some(part) => Fault {
            kind: Kind::BadLogin(part),
            message: problem(&told).to_owned(),
            ..told.into()
        },
    }
}

/// Why an ISO was refused, told by the fields of a template: those of the call are not what people wrote.
pub(in crate::driver) fn of_iso(status: Status) -> Fault {
    const FIELDS: [(&str, &str); 7] = [
        ("`source.datastore_path`", "`agentISO.datastorePath`"),
        ("`source.url.url`", "`agentISO.url`"),
        (
            "`source.url.ca_bundle_pem`",
            "`agentISO.caBundle`, or `ca.crt` of its request Secret,",
        ),
        ("`source.url.proxy.url`", "`agentISO.proxy`"),
        ("`source.url.headers`", "`headers` of its request Secret"),
        ("`source.url.sha256`", "`agentISO.sha256`"),
        ("`datastores[0]`", "`vmTemplate.datastore`"),
    ];
    let fault = Fault::from(status);
    let told = FIELDS
        .iter()
        .fold(fault.message, |message, (ours, theirs)| {
            message.replace(ours, theirs)
        });
    Fault {
        message: told,
        ..fault
    }
}

/// The part of the login that a fault of a connect is about.
fn login_part(fault: &pb::Fault) -> Option<LoginPart> {
    Some(match fault.field.as_str() {
        "server" => LoginPart::Server,
        "user_password.username" => LoginPart::Username,
        "user_password.password" => LoginPart::Password,
        "trust.ca_bundle_pem" => LoginPart::CaBundle,
        "trust.sha256_thumbprint" => LoginPart::Thumbprint,
        _ => return None,
    })
}

/// What a fault says of its field, without name and advice: people know it by another name.
fn problem(fault: &pb::Fault) -> &str {
    let (name, advice) = (
        format!("`{}` ", fault.field),
        format!(". {}", fault.reason().row().advice),
    );
    let said = fault.message.as_str();
    let said = said.strip_prefix(&name).unwrap_or(said);
    said.strip_suffix(&advice).unwrap_or(said)
}

impl From<pb::RetryClass> for Retry {
    fn from(class: pb::RetryClass) -> Self {
        match class {
            pb::RetryClass::Never => Self::Never,
            pb::RetryClass::Slow => Self::Slow,
            pb::RetryClass::Backoff | pb::RetryClass::Unspecified => Self::Backoff,
            pb::RetryClass::Soon => Self::Soon,
            pb::RetryClass::Recover => Self::Recover,
        }
    }
}

/// Nobody gets above the epoch of a driver that does not say it.
fn highest_epoch(fault: &pb::Fault) -> i32 {
    let highest = fault.metadata.get("highest_epoch");
    highest
        .and_then(|epoch| epoch.parse().ok())
        .unwrap_or(i32::MAX)
}

/// What a status says, with its causes: a refused certificate is told of by the innermost.
fn chain(status: &Status) -> String {
    let causes = std::iter::successors(std::error::Error::source(status), |cause| cause.source());
    let causes = causes.map(ToString::to_string);
    let mut texts = vec![status.message().to_owned()];
    for cause in causes {
        if !texts.iter().any(|text| text.contains(&cause)) {
            texts.push(cause);
        }
    }
    texts.join(": ")
}
