//! Generates the gRPC code and the table of reasons from `proto/`, without `protoc`.

use prost_types::{
    EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, source_code_info::Location,
};
use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

const PROTOS: [&str; 7] = [
    "vsphere/driver/v1/driver.proto",
    "vsphere/driver/v1/isos.proto",
    "vsphere/driver/v1/reasons.proto",
    "vsphere/driver/v1/types.proto",
    "vsphere/driver/v1/vcenters.proto",
    "vsphere/driver/v1/virtual_machine_spec.proto",
    "vsphere/driver/v1/virtual_machines.proto",
];

/// Messages with a field marked `debug_redact`, for which `proto/redact.rs` writes `Debug` by hand.
/// A test compares this list with the marks in the files.
const REDACTED: [&str; 5] = [
    ".vsphere.driver.v1.HttpProxy",
    ".vsphere.driver.v1.UploadIsoRequest",
    ".vsphere.driver.v1.UrlSource",
    ".vsphere.driver.v1.UserPassword",
    ".vsphere.driver.v1.VirtualMachineSpec",
];

/// Numbers of `FileDescriptorProto.enum_type` and `EnumDescriptorProto.value` in descriptor.proto:
/// the path of an enum value in a file's source information.
const ENUM_TYPE: i32 = 5;
const ENUM_VALUE: i32 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(PROTOS)?;
    // Encoded by protox itself: prost-types would drop `debug_redact`, which the tests read.
    fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    let descriptors = compiler.file_descriptor_set();
    fs::write(out.join("reason_table.rs"), reason_table(&descriptors)?)?;
    tonic_prost_build::configure()
        .btree_map(".")
        // A header comes once, chunks by the thousand; they are passed on as they came.
        .boxed(".vsphere.driver.v1.UploadIsoRequest.part.header")
        .bytes(".vsphere.driver.v1.UploadIsoRequest.chunk")
        .skip_debug(REDACTED)
        .compile_fds(descriptors)?;
    Ok(())
}

/// The rows of `reason::TABLE`, from the fixed lines that end each comment of `Reason`.
fn reason_table(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let (file, index, reasons) = descriptors
        .file
        .iter()
        .find_map(|file| {
            let index = file.enum_type.iter().position(|e| e.name() == "Reason")?;
            Some((file, index, &file.enum_type[index]))
        })
        .ok_or("no enum Reason")?;
    let mut rows = String::from("[\n");
    for (value, comment) in commented_values(file, index, reasons) {
        rows.push_str(&row(value, &comment).map_err(|e| format!("{value}: {e}"))?);
    }
    rows.push(']');
    Ok(rows)
}

fn commented_values<'a>(
    file: &'a FileDescriptorProto,
    index: usize,
    reasons: &'a EnumDescriptorProto,
) -> impl Iterator<Item = (&'a str, String)> {
    let comment = move |value: usize| {
        let path = [ENUM_TYPE, to_i32(index), ENUM_VALUE, to_i32(value)];
        let location = |l: &&Location| l.path == path;
        let info = file.source_code_info.as_ref();
        let found = info.and_then(|info| info.location.iter().find(location));
        found
            .map(|l| l.leading_comments().to_owned())
            .unwrap_or_default()
    };
    // The zero value is never sent, so that it has no row.
    reasons
        .value
        .iter()
        .enumerate()
        .skip(1)
        .map(move |(i, value)| (value.name(), comment(i)))
}

fn to_i32(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

fn row(value: &str, comment: &str) -> Result<String, Box<dyn Error>> {
    let name = value.strip_prefix("REASON_").ok_or("no prefix REASON_")?;
    let flat = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    let part = |key: &str, optional: bool| -> Result<&str, String> {
        let Some((_, rest)) = flat.split_once(&format!(" {key}: ")) else {
            return if optional {
                Ok("")
            } else {
                Err(format!("no line {key}:"))
            };
        };
        let end = [" Retry: ", " Faults: ", " Metadata: ", " Advice: "]
            .iter()
            .filter_map(|next| rest.find(next))
            .min()
            .unwrap_or(rest.len());
        Ok(&rest[..end])
    };
    let words = |text: &str| -> String {
        let list = text
            .trim_end_matches('.')
            .split(", ")
            .filter(|w| !w.is_empty());
        list.map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut out = String::new();
    writeln!(
        out,
        "    Row {{ reason: Reason::{variant}, name: {name:?}, word: {word:?}, \
         code: Code::{code}, retry: RetryClass::{retry}, faults: &[{faults}], \
         metadata: &[{metadata}], advice: {advice:?} }},",
        variant = camel(name),
        word = condition_word(name),
        code = camel(part("Code", false)?.trim_end_matches('.')),
        retry = camel(part("Retry", false)?.trim_end_matches('.')),
        faults = words(part("Faults", true)?),
        metadata = words(part("Metadata", true)?),
        advice = part("Advice", false)?,
    )?;
    Ok(out)
}

/// `VCENTER_TLS_UNTRUSTED` as prost and tonic write it: `VcenterTlsUntrusted`.
fn camel(name: &str) -> String {
    name.split('_').map(capital).collect()
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_owned() + &rest.to_lowercase()
}

/// `VCENTER_TLS_UNTRUSTED` as a condition writes it: `VCenterTLSUntrusted`.
fn condition_word(name: &str) -> String {
    name.split('_')
        .map(|word| match word {
            "VCENTER" => "VCenter".to_owned(),
            "CPUS" => "CPUs".to_owned(),
            "VM" | "ISO" | "TLS" | "DRS" => word.to_owned(),
            word => capital(word),
        })
        .collect()
}
