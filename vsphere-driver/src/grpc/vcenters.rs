//! The service of vCenters.

use super::{
    caller,
    convert::{self, page, spec},
    named, status,
};
use crate::{
    audit::{self, Change, Outcome},
    core::{Core, Target},
    edge::caller::Caller,
    secret::Secret,
    soap::{Server, Trust, trust::SeenCertificate},
    vcenter::{VCenter, privileges::Scope, state::State},
    verbs::{
        capacity::{self, Asked},
        place,
    },
};
use contract::v1::{
    self as pb, CheckPlacementRequest, CheckPlacementResponse, ConnectVCenterRequest,
    ConnectVCenterResponse, ConnectionState, DisconnectVCenterRequest, DisconnectVCenterResponse,
    Fault, GetCapacityRequest, GetCapacityResponse, GetVCenterRequest, GetVCenterResponse,
    ListVCentersRequest, ListVCentersResponse, Ownership, Reason, TlsTrust, UserPassword, Verb,
    connect_v_center_request::Credential, tls_trust, v_centers_server::VCenters,
};
use prost_types::Timestamp;
use std::{sync::Arc, time::Duration};
use tonic::{Request, Response, Status};

const MAX_USERNAME: usize = 256;
const MAX_PASSWORD: usize = 1_024;
const MAX_CA_BUNDLE: usize = 256 * 1024;
/// How long work may go on in a vCenter that the last hub left.
const LAST_WORK: Duration = Duration::from_mins(10);
/// Name of the list's filter in page tokens: it has none.
const NO_FILTER: &str = "vcenters";

/// Serves vCenters.
#[derive(Clone, Debug)]
pub struct VCentersService {
    core: Arc<Core>,
}

impl VCentersService {
    /// Serves those of this core.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl VCenters for VCentersService {
    async fn connect_v_center(
        &self,
        request: Request<ConnectVCenterRequest>,
    ) -> Result<Response<ConnectVCenterResponse>, Status> {
        // Plaintext is served on loopback only: that a request came at all is enough.
        let (_, extensions, message) = request.into_parts();
        let ConnectVCenterRequest {
            caller: asked,
            server,
            trust,
            wait,
            validate_only,
            credential,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let wait = convert::wait(wait).map_err(&fail)?;
        let target = target(&server, credential, trust).map_err(&fail)?;
        if validate_only {
            let vcenter = try_out(&self.core, target).await.map_err(&fail)?;
            let operation_id = caller.operation_id;
            return Ok(Response::new(ConnectVCenterResponse {
                vcenter: Some(vcenter),
                done: true,
                operation_id,
            }));
        }
        let vcenter = self.core.connect(target, &caller.hub_id).map_err(&fail)?;
        note(&caller, &vcenter.name, "connect");
        let done = !wait.is_zero() && vcenter.wait_until(wait, is_settled).await;
        let done = done || vcenter.read(is_settled);
        let vcenter = Some(told(&vcenter));
        let operation_id = caller.operation_id;
        Ok(Response::new(ConnectVCenterResponse {
            vcenter,
            done,
            operation_id,
        }))
    }

    async fn get_v_center(
        &self,
        request: Request<GetVCenterRequest>,
    ) -> Result<Response<GetVCenterResponse>, Status> {
        let name = convert::vcenter(request.into_inner().vcenter).map_err(status(""))?;
        let vcenter = self.core.vcenter(&name).map_err(status(""))?;
        Ok(Response::new(GetVCenterResponse {
            vcenter: Some(told(&vcenter)),
        }))
    }

    async fn list_v_centers(
        &self,
        request: Request<ListVCentersRequest>,
    ) -> Result<Response<ListVCentersResponse>, Status> {
        let ListVCentersRequest {
            page_size,
            page_token,
        } = request.into_inner();
        let size = page::size(page_size).map_err(status(""))?;
        let after = page::after(&page_token, NO_FILTER).map_err(status(""))?;
        let all = self.core.all();
        let mut rest = all
            .iter()
            .filter(|vcenter| vcenter.name.as_str() > after)
            .peekable();
        let shown: Vec<_> = rest.by_ref().take(size).collect();
        let last = shown.last().filter(|_| rest.peek().is_some());
        Ok(Response::new(ListVCentersResponse {
            next_page_token: last
                .map(|v| page::token(NO_FILTER, &v.name))
                .unwrap_or_default(),
            vcenters: shown.into_iter().map(|vcenter| told(vcenter)).collect(),
        }))
    }

    async fn disconnect_v_center(
        &self,
        request: Request<DisconnectVCenterRequest>,
    ) -> Result<Response<DisconnectVCenterResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let DisconnectVCenterRequest {
            caller: asked,
            vcenter,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let name = convert::vcenter(vcenter).map_err(&fail)?;
        let wait = convert::wait(wait).map_err(&fail)?;
        let operation_id = caller.operation_id.clone();
        if validate_only {
            let hubs = self
                .core
                .vcenter(&name)
                .map(|vcenter| vcenter.hubs())
                .unwrap_or_default();
            let others = hubs
                .into_iter()
                .filter(|hub| *hub != caller.hub_id)
                .collect();
            return Ok(Response::new(DisconnectVCenterResponse {
                remaining_hub_ids: others,
                done: false,
                operation_id,
            }));
        }
        let (remaining_hub_ids, last) =
            self.core.disconnect(&name, &caller.hub_id).map_err(&fail)?;
        note(&caller, &name, "disconnect");
        let done = match last {
            None => true,
            Some(vcenter) => close(&self.core, vcenter, wait).await,
        };
        Ok(Response::new(DisconnectVCenterResponse {
            remaining_hub_ids,
            done,
            operation_id,
        }))
    }

    async fn check_placement(
        &self,
        request: Request<CheckPlacementRequest>,
    ) -> Result<Response<CheckPlacementResponse>, Status> {
        let CheckPlacementRequest {
            vcenter,
            spec,
            count,
            ejects_iso,
        } = request.into_inner();
        let fail = status("");
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        if count < 0 {
            return Err(fail(Fault::invalid("count", "is negative")));
        }
        let spec = spec::spec(spec).map_err(&fail)?;
        vcenter.connected().await.map_err(|fault| fail(*fault))?;
        let scope = if ejects_iso {
            Scope::WithEjection
        } else {
            Scope::Machines
        };
        let report = place::report(&vcenter, &spec, scope, "").await;
        let (mut report, _) = report.map_err(&fail)?;
        let room = report.capacity.as_ref();
        let short = room.and_then(|room| capacity::shortage(room, &spec, count));
        report.faults.extend(short);
        let freshness = Some(vcenter.freshness());
        Ok(Response::new(CheckPlacementResponse {
            report: Some(report),
            freshness,
        }))
    }

    async fn get_capacity(
        &self,
        request: Request<GetCapacityRequest>,
    ) -> Result<Response<GetCapacityResponse>, Status> {
        let GetCapacityRequest {
            vcenter,
            spec,
            basis,
            mhz_per_cpu,
            max_age,
        } = request.into_inner();
        let fail = status("");
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let asked = Asked {
            basis: convert::basis(basis).map_err(&fail)?,
            mhz_per_cpu: convert::mhz_per_cpu(mhz_per_cpu).map_err(&fail)?,
            max_age: convert::max_age(max_age).map_err(&fail)?,
        };
        let spec = spec::spec(spec).map_err(&fail)?;
        let capacity = capacity::capacity(&vcenter, &spec, asked).await;
        Ok(Response::new(GetCapacityResponse {
            capacity: Some(capacity.map_err(&fail)?),
        }))
    }
}

/// Connected, or refused: either way there is something to say.
fn is_settled(state: &State) -> bool {
    state.is_connected() || state.freshness.fault.is_some()
}

async fn close(core: &Arc<Core>, vcenter: Arc<VCenter>, wait: Duration) -> bool {
    let core = Arc::clone(core);
    let closing = tokio::spawn(async move {
        // The name is forgotten: no new work comes, and what goes on is finished.
        let idle = |state: &State| state.running().all() == 0;
        vcenter.wait_until(LAST_WORK, idle).await;
        if core.leave(&vcenter) {
            vcenter.close().await;
        }
    });
    !wait.is_zero() && tokio::time::timeout(wait, closing).await.is_ok()
}

/// Logs in, reads what it is, and logs out.
async fn try_out(core: &Core, target: Target) -> Result<pb::VCenter, Fault> {
    let vcenter = core.unfollowed(String::new(), target)?;
    let tried = vcenter.session.ensure().await;
    let (state, fault) = match tried {
        Ok(_) => (ConnectionState::Connected, None),
        Err(fault) => (ConnectionState::Disconnected, Some(fault)),
    };
    vcenter.write(|known| known.set_connection(state, fault));
    let told = told(&vcenter);
    vcenter.session.close().await;
    Ok(told)
}

fn note(caller: &Caller, vcenter: &str, identity: &str) {
    let change = Change {
        caller,
        owner: "",
        identity,
        verb: Verb::Unspecified,
        vcenter,
        operation_id: &caller.operation_id,
    };
    audit::change(&change, Outcome::Done);
}

fn target(
    server: &str,
    credential: Option<Credential>,
    trust: Option<TlsTrust>,
) -> Result<Target, Fault> {
    let server = server
        .parse::<Server>()
        .map_err(|error| Fault::invalid("server", format!("cannot be used: {error}")))?;
    let missing = || Fault::invalid("user_password", "is missing: give user name and password");
    let Credential::UserPassword(UserPassword { username, password }) =
        credential.ok_or_else(missing)?;
    if username.is_empty() || username.chars().count() > MAX_USERNAME {
        return Err(Fault::invalid(
            "user_password.username",
            "must be 1 to 256 characters",
        ));
    }
    if password.is_empty() || password.chars().count() > MAX_PASSWORD {
        return Err(Fault::invalid(
            "user_password.password",
            "must be 1 to 1,024 characters",
        ));
    }
    let trust = parse_trust(trust)?;
    Ok(Target {
        server,
        username,
        password: Secret::new(password),
        trust,
    })
}

fn parse_trust(trust: Option<TlsTrust>) -> Result<Trust, Fault> {
    let Some(trust) = trust else {
        return Ok(Trust::System);
    };
    match trust.trust {
        None => Err(Fault::invalid(
            "trust",
            "is empty: leave it out, or set one of its fields",
        )),
        Some(tls_trust::Trust::CaBundlePem(pem)) if pem.len() > MAX_CA_BUNDLE => Err(Fault::new(
            Reason::LimitExceeded,
            "`trust.ca_bundle_pem` has more than 256 KiB",
        )
        .at("trust.ca_bundle_pem")
        .with("limit", MAX_CA_BUNDLE)),
        Some(tls_trust::Trust::CaBundlePem(pem)) => Ok(Trust::CaBundle(pem)),
        Some(tls_trust::Trust::Sha256Thumbprint(text)) => {
            let problem = "must be 64 hexadecimal digits; colons may part them";
            let invalid = || Fault::invalid("trust.sha256_thumbprint", problem);
            thumbprint(&text).map(Trust::Thumbprint).ok_or_else(invalid)
        }
        Some(tls_trust::Trust::Insecure(pb::InsecureTrust {})) => Ok(Trust::Insecure),
    }
}

fn thumbprint(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A vCenter as it is now.
fn told(vcenter: &VCenter) -> pb::VCenter {
    let session = vcenter.session.current();
    let about = session.as_ref().map(|session| &session.content.about);
    let seen = vcenter.session.seen_certificate();
    let suspended = vcenter
        .session
        .suspended_for()
        .filter(|wait| !wait.is_zero());
    let next_login_at = suspended.map(|wait| {
        let now = crate::vcenter::clock::now();
        let seconds = i64::try_from(wait.as_secs()).unwrap_or_default();
        Timestamp {
            seconds: now.seconds + seconds,
            nanos: now.nanos,
        }
    });
    let (all, marked) = vcenter.read(|state| {
        let ours = |ownership| matches!(ownership, Ownership::Ours | Ownership::Copy);
        let marked = state.vms().filter(|(_, vm)| ours(vm.ownership().0)).count();
        (state.vms().count(), marked)
    });
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    pb::VCenter {
        name: vcenter.name.clone(),
        origin: vcenter.origin.into(),
        server: vcenter.session.server(),
        username: vcenter.session.username().to_owned(),
        trust: vcenter.trust.into(),
        sha256_thumbprint: seen
            .as_ref()
            .map(SeenCertificate::thumbprint)
            .unwrap_or_default(),
        certificate_expires_at: seen
            .and_then(|seen| seen.expires_at)
            .map(|seconds| Timestamp { seconds, nanos: 0 }),
        freshness: Some(vcenter.freshness()),
        connected_at: session.as_ref().map(|session| session.since),
        next_login_at,
        refused_logins: number(vcenter.session.refused_logins()),
        product: about
            .map(|about| about.full_name.clone())
            .unwrap_or_default(),
        api_version: about
            .map(|about| about.api_version.clone())
            .unwrap_or_default(),
        instance_uuid: about
            .map(|about| about.instance_uuid.clone())
            .unwrap_or_default(),
        hub_ids: vcenter.hubs(),
        virtual_machines: number(all),
        marked_virtual_machines: number(marked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(username: &str, password: &str) -> Credential {
        let (username, password) = (username.into(), password.into());
        Credential::UserPassword(UserPassword { username, password })
    }

    fn trusting(trust: Option<tls_trust::Trust>) -> TlsTrust {
        TlsTrust { trust }
    }

    #[test]
    fn each_bad_field_is_named() {
        let good = || Some(login("u", "p"));
        let print = tls_trust::Trust::Sha256Thumbprint("xyz".into());
        for (server, credential, trust, field) in [
            ("", good(), None, "server"),
            ("vc", None, None, "user_password"),
            ("vc", Some(login("", "p")), None, "user_password.username"),
            ("vc", Some(login("u", "")), None, "user_password.password"),
            ("vc", good(), Some(trusting(None)), "trust"),
            (
                "vc",
                good(),
                Some(trusting(Some(print))),
                "trust.sha256_thumbprint",
            ),
        ] {
            assert_eq!(
                target(server, credential, trust).expect_err(field).field,
                field
            );
        }
    }

    #[test]
    fn a_thumbprint_may_have_colons() {
        let colons = ["AB"; 32].join(":");
        assert_eq!(thumbprint(&colons), Some([0xab; 32]));
        assert_eq!(thumbprint(&"ab".repeat(31)), None);
        assert_eq!(thumbprint(&"zz".repeat(32)), None);
    }
}
