//! What the files of the contract promise about themselves, checked on their descriptors.

use contract::{DESCRIPTORS, reason, v1::Feature};
use prost::Message as _;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};
use std::collections::BTreeSet;
use tonic::Code;

/// Numbers of `FileDescriptorProto.service` and `ServiceDescriptorProto.method` in descriptor.proto.
const SERVICE: i32 = 6;
const METHOD: i32 = 2;

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).expect("protox wrote it");
    set.file
        .into_iter()
        .filter(|file| file.package() == contract::PACKAGE)
        .collect()
}

/// Each rpc as `Service.Method`, with its comment.
fn rpcs() -> Vec<(String, String)> {
    let mut rpcs = Vec::new();
    for file in files() {
        for (s, service) in file.service.iter().enumerate() {
            for (m, method) in service.method.iter().enumerate() {
                rpcs.push((rpc_name(service, method), comment(&file, s, m)));
            }
        }
    }
    rpcs
}

fn rpc_name(service: &ServiceDescriptorProto, method: &MethodDescriptorProto) -> String {
    format!("{}.{}", service.name(), method.name())
}

fn comment(file: &FileDescriptorProto, service: usize, method: usize) -> String {
    let index = |i: usize| i32::try_from(i).expect("few");
    let path = [SERVICE, index(service), METHOD, index(method)];
    let locations = &file
        .source_code_info
        .as_ref()
        .expect("kept by build.rs")
        .location;
    let found = locations.iter().find(|location| location.path == path);
    found
        .map(|l| l.leading_comments().to_owned())
        .unwrap_or_default()
}

/// The lines `CODE: REASON, REASON.` of a comment; a line that does not begin with a code goes on.
fn codes(comment: &str) -> Vec<(String, Vec<String>)> {
    let flat = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    let items = flat.split(" - ").skip(1);
    items
        .filter_map(|item| {
            let (code, rest) = item.split_once(": ")?;
            let list = rest.split('.').next().unwrap_or_default();
            let reasons = list
                .split(", ")
                .map(|word| word.trim().to_owned())
                .collect();
            Some((code.to_owned(), reasons))
        })
        .collect()
}

/// Words in capitals with an underscore, as only reasons, states and enum values are written.
fn capitals(comment: &str) -> BTreeSet<&str> {
    let inside = |c: char| c.is_ascii_uppercase() || c == '_';
    comment
        .split(|c| !inside(c))
        .filter(|w| w.contains('_') && w.len() > 3)
        .collect()
}

fn grpc_name(code: Code) -> String {
    let debug = format!("{code:?}");
    let mut name = String::new();
    for c in debug.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[test]
fn each_rpc_says_what_a_repeat_does_or_that_it_only_reads() {
    for (rpc, comment) in rpcs() {
        let reads = ["Shows", "Lists", "Says", "Tells"]
            .iter()
            .any(|verb| comment.contains(verb));
        assert!(comment.contains("Repeated") || reads, "{rpc}: {comment}");
    }
}

#[test]
fn each_rpc_names_a_code_and_each_reason_under_its_own_code() {
    assert_eq!(rpcs().len(), 23);
    for (rpc, comment) in rpcs() {
        let codes = codes(&comment);
        assert!(!codes.is_empty(), "{rpc} names no code");
        for (code, reasons) in codes {
            for name in reasons {
                let reason = reason::of_name(&name);
                let reason = reason.unwrap_or_else(|| panic!("{rpc}: no reason {name}"));
                assert_eq!(grpc_name(reason.row().code), code, "{rpc}: {name}");
            }
        }
    }
}

#[test]
fn each_reason_that_a_comment_names_exists() {
    let states = [
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "PERMISSION_DENIED",
    ];
    let more = [
        "RESOURCE_EXHAUSTED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "POWERING_ON",
    ];
    for (rpc, comment) in rpcs() {
        for word in capitals(&comment) {
            let known = states.contains(&word) || more.contains(&word) || is_feature(word);
            assert!(known || reason::of_name(word).is_some(), "{rpc}: {word}");
        }
    }
}

/// Features are written without their prefix.
fn is_feature(word: &str) -> bool {
    Feature::from_str_name(&format!("FEATURE_{word}")).is_some()
}

#[test]
fn each_element_has_a_comment() {
    for file in files() {
        let info = file.source_code_info.as_ref().expect("kept by build.rs");
        let silent = info.location.iter().filter(|l| is_element(&l.path));
        for location in silent {
            let text = location.leading_comments();
            assert!(
                !text.trim().is_empty(),
                "{} {:?} is silent",
                file.name(),
                location.span
            );
        }
    }
}

/// Paths of messages, fields, enums, values, services, methods: the last but one number says which.
fn is_element(path: &[i32]) -> bool {
    matches!(path, [4..=6, _] | [4, _, 2 | 8, _] | [5 | 6, _, 2, _])
}

#[test]
fn each_field_marked_as_secret_is_in_a_message_whose_debug_is_written_by_hand() {
    // prost-types drops `debug_redact`, so the marks are counted in the files themselves.
    let sources = [
        include_str!("../proto/vsphere/driver/v1/isos.proto"),
        include_str!("../proto/vsphere/driver/v1/types.proto"),
        include_str!("../proto/vsphere/driver/v1/vcenters.proto"),
        include_str!("../proto/vsphere/driver/v1/virtual_machine_spec.proto"),
        include_str!("../proto/vsphere/driver/v1/virtual_machines.proto"),
    ];
    let marked: Vec<_> = sources.iter().flat_map(|source| redacted(source)).collect();
    assert_eq!(
        marked,
        [
            "UrlSource.url",
            "UrlSource.headers",
            "HttpProxy.password",
            "UploadIsoRequest.chunk",
            "UserPassword.password",
            "VirtualMachineSpec.extra_config"
        ]
    );
}

fn redacted(source: &str) -> Vec<String> {
    let mut message = "";
    let mut found = Vec::new();
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("message ") {
            message = rest.trim_end_matches(" {").trim_end_matches(" {}");
        }
        if line.contains("debug_redact = true") {
            let before = line.split(" = ").next().unwrap_or_default();
            let field = before.split_whitespace().last().unwrap_or_default();
            found.push(format!("{message}.{field}"));
        }
    }
    found
}
