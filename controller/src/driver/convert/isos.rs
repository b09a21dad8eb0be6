//! ISOs.

use super::requests::caller;
use crate::driver::{
    Fault, Iso, IsoEvent, IsoSource, IsoStand, IsoStep, IsoWanted, On, Owner, Progress, Proxy,
    UrlSource,
};
use contract::v1::{self as pb, delete_iso_request, iso_source, watch_isos_response};

/// Asks for an ISO.
pub(in crate::driver) fn iso(on: On<'_>, owner: &Owner, iso: &IsoWanted) -> pb::EnsureIsoRequest {
    let IsoWanted {
        source,
        datacenter,
        datastores,
        label,
    } = iso.clone();
    let source = match source {
        IsoSource::Path(path) => iso_source::Source::DatastorePath(path),
        IsoSource::Url(source) => iso_source::Source::Url((*source).into()),
    };
    pb::EnsureIsoRequest {
        caller: Some(caller(on.caller)),
        vcenter: on.vcenter.into(),
        owner: Some(owner.into()),
        source: Some(pb::IsoSource {
            source: Some(source),
        }),
        datacenter,
        datastores,
        file_label: label,
        ..pb::EnsureIsoRequest::default()
    }
}

/// Withdraws the ISO of an owner.
pub(in crate::driver) fn iso_withdrawal(on: On<'_>, owner: &Owner) -> pb::DeleteIsoRequest {
    let key = pb::IsoKey {
        hub_id: on.caller.hub_id.clone(),
        owner_uid: owner.uid.clone(),
        ..pb::IsoKey::default()
    };
    pb::DeleteIsoRequest {
        caller: Some(caller(on.caller)),
        vcenter: on.vcenter.into(),
        r#ref: Some(delete_iso_request::Ref::Key(key)),
        ..pb::DeleteIsoRequest::default()
    }
}

impl From<UrlSource> for pb::UrlSource {
    fn from(source: UrlSource) -> Self {
        let UrlSource {
            url,
            ca_bundle,
            headers,
            proxy,
            sha256,
            revision,
            system_authorities,
        } = source;
        let headers = headers.into_iter().map(|(name, value)| (name, value.0));
        Self {
            url: url.0,
            ca_bundle_pem: ca_bundle,
            headers: headers.collect(),
            proxy: proxy.map(Into::into),
            sha256,
            revision,
            system_authorities,
        }
    }
}

impl From<Proxy> for pb::HttpProxy {
    fn from(proxy: Proxy) -> Self {
        let Proxy {
            url,
            username,
            password,
        } = proxy;
        Self {
            url,
            username,
            password: password.0,
        }
    }
}

impl From<pb::Iso> for Iso {
    fn from(mut iso: pb::Iso) -> Self {
        let source = std::mem::take(&mut iso.source);
        let source_revision = std::mem::take(&mut iso.source_revision);
        Self {
            source,
            source_revision,
            revision: iso.revision,
            stand: stand(iso),
        }
    }
}

impl From<pb::WatchIsosResponse> for IsoEvent {
    fn from(message: pb::WatchIsosResponse) -> Self {
        use watch_isos_response::Event as E;
        match message.event {
            Some(E::SnapshotBegin(begin)) => Self::SnapshotBegin {
                run_id: begin.run_id,
            },
            Some(E::Changes(pb::IsoChanges { changed, removed })) => {
                let present = |iso: pb::Iso| Some((owner(iso.key.as_ref())?, iso.into()));
                let gone = |it: pb::IsoTombstone| Some((owner(it.key.as_ref())?, it.revision));
                Self::Changes {
                    changed: changed.into_iter().filter_map(present).collect(),
                    removed: removed.into_iter().filter_map(gone).collect(),
                }
            }
            Some(E::SnapshotEnd(_)) => Self::SnapshotEnd,
            Some(E::Bookmark(_)) | None => Self::Unknown,
        }
    }
}

/// The UID of the owner of an ISO. One that is told apart by an id is none that was asked for here.
fn owner(key: Option<&pb::IsoKey>) -> Option<String> {
    let key = key.filter(|key| key.id.is_empty())?;
    Some(key.owner_uid.clone())
}

/// How far an ISO is. It is asked for on one datastore, so that it has one file.
fn stand(iso: pb::Iso) -> IsoStand {
    use pb::IsoState as S;
    let state = iso.state();
    let size = iso.size_bytes;
    let file = iso.files.into_iter().next().unwrap_or_default();
    let coming = |step| {
        IsoStand::Coming(Progress {
            step,
            transferred: file.transferred_bytes,
            size,
        })
    };
    let lacks = |what| IsoStand::Failed(Fault::bad_reply(what));
    match state {
        S::Ready if file.path.is_empty() => lacks("the path of the ISO"),
        S::Ready => IsoStand::Ready(file.path),
        S::Pending => coming(IsoStep::Waiting),
        S::Transferring => coming(IsoStep::Transferring),
        S::Verifying => coming(IsoStep::Verifying),
        S::Failed | S::Unknown | S::Deleting | S::Gone | S::Unspecified => {
            let fault = iso.fault.or(file.fault).map(Into::into);
            fault.map_or_else(|| lacks("the state of the ISO"), IsoStand::Failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Caller;

    fn told(state: pb::IsoState, fault: Option<pb::Fault>, of_file: Option<pb::Fault>) -> pb::Iso {
        pb::Iso {
            source: "https://images/***/a.iso".into(),
            state: state.into(),
            size_bytes: 100,
            fault,
            source_revision: "1".into(),
            files: vec![pb::IsoFile {
                path: "[ds] a.iso".into(),
                transferred_bytes: 42,
                fault: of_file,
                ..pb::IsoFile::default()
            }],
            ..pb::Iso::default()
        }
    }

    fn word(iso: pb::Iso) -> String {
        match Iso::from(iso).stand {
            IsoStand::Ready(path) => path,
            IsoStand::Coming(progress) => format!("{:?} {:?}", progress.step, progress.percent()),
            IsoStand::Failed(fault) => fault.word.into(),
        }
    }

    #[test]
    fn an_iso_is_as_far_as_the_driver_says() {
        use pb::IsoState as S;
        let expired = || Some(pb::Fault::new(pb::Reason::IsoSourceExpired, "x"));
        let full = || Some(pb::Fault::new(pb::Reason::DatastoreFull, "x"));
        for (iso, expected) in [
            (told(S::Ready, None, None), "[ds] a.iso"),
            (told(S::Pending, None, None), "Waiting None"),
            (told(S::Transferring, None, None), "Transferring Some(42)"),
            (told(S::Verifying, None, None), "Verifying None"),
            (told(S::Failed, expired(), None), "ISOSourceExpired"),
            (told(S::Failed, None, full()), "DatastoreFull"),
            (told(S::Unknown, expired(), None), "ISOSourceExpired"),
            (told(S::Failed, None, None), "DriverBadReply"),
            (
                pb::Iso {
                    state: S::Ready.into(),
                    ..pb::Iso::default()
                },
                "DriverBadReply",
            ),
        ] {
            assert_eq!(word(iso.clone()), expected, "{iso:?}");
        }
    }

    #[test]
    fn changes_are_told_by_owner_and_only_of_what_was_asked_for_here() {
        let key = |uid: &str, id: &str| pb::IsoKey {
            hub_id: "hub".into(),
            owner_uid: uid.into(),
            id: id.into(),
        };
        let of = |key: pb::IsoKey| pb::Iso {
            key: Some(key),
            revision: 7,
            ..told(pb::IsoState::Ready, None, None)
        };
        let gone = |key: pb::IsoKey| pb::IsoTombstone {
            key: Some(key),
            revision: 8,
        };
        let changes = pb::IsoChanges {
            changed: vec![of(key("a", "")), of(key("a", "by hand"))],
            removed: vec![gone(key("b", "")), gone(key("b", "by hand"))],
        };
        let event = IsoEvent::from(pb::WatchIsosResponse {
            event: Some(watch_isos_response::Event::Changes(changes)),
            token: "t".into(),
        });
        let expected = IsoEvent::Changes {
            changed: vec![("a".into(), of(key("a", "")).into())],
            removed: vec![("b".into(), 8)],
        };
        assert_eq!(event, expected);
    }

    #[test]
    fn a_source_is_asked_for_with_all_that_it_needs() {
        let source = UrlSource {
            url: "https://images/a.iso".into(),
            ca_bundle: "PEM".into(),
            headers: [("A".to_owned(), "b".into())].into(),
            proxy: Some(Proxy {
                url: "http://proxy".into(),
                username: "u".into(),
                password: "p".into(),
            }),
            sha256: "0".into(),
            revision: "1".into(),
            system_authorities: true,
        };
        let wanted = IsoWanted {
            source: IsoSource::Url(Box::new(source)),
            datacenter: "DC0".into(),
            datastores: vec!["ds".into()],
            label: "workers".into(),
        };
        let caller = Caller {
            hub_id: "hub".into(),
            epoch: Some(1),
        };
        let on = On {
            caller: &caller,
            vcenter: "vc",
        };
        let owner = Owner {
            namespace: "clusters".into(),
            name: "pool".into(),
            uid: "owner".into(),
        };
        let request = iso(on, &owner, &wanted);
        let expected = pb::UrlSource {
            url: "https://images/a.iso".into(),
            ca_bundle_pem: "PEM".into(),
            headers: [("A".to_owned(), "b".to_owned())].into(),
            proxy: Some(pb::HttpProxy {
                url: "http://proxy".into(),
                username: "u".into(),
                password: "p".into(),
            }),
            sha256: "0".into(),
            revision: "1".into(),
            system_authorities: true,
        };
        let source = request.source.and_then(|source| source.source);
        assert_eq!(source, Some(iso_source::Source::Url(expected)));
        let rest = (request.datacenter, request.datastores, request.file_label);
        assert_eq!(rest, ("DC0".into(), vec!["ds".into()], "workers".into()));
    }
}
