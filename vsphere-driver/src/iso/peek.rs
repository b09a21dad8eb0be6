//! Looks into our folder of a datastore and changes nothing, neither there nor in what is known.

use super::{
    destination::Destination,
    name::{self, Kind},
    record::{self, Record},
};
use crate::vcenter::VCenter;
use contract::v1::Fault;
use std::collections::{BTreeMap, BTreeSet};

/// The whole files of ours that lie there, by name.
pub async fn peek(
    vcenter: &VCenter,
    place: &Destination,
    op: &str,
) -> Result<BTreeMap<String, Record>, Fault> {
    let listed = place.list(op).await?;
    let known = vcenter.read(|state| state.isos.folders.get(place.datastore()).cloned());
    let known = known.unwrap_or_default();
    let names: BTreeSet<_> = listed.iter().map(|file| &*file.path).collect();
    let has_record = |file: &str| names.contains(&*name::record(file));
    let mut files = BTreeMap::new();
    for file in &listed {
        let name = &file.path;
        if name::kind(name) != Kind::Whole || !has_record(name) {
            continue;
        }
        let size = file.size_bytes();
        let record = match known.record(name, size) {
            Some(record) => Some(record.clone()),
            None => read(place, name, op).await?,
        };
        if let Some(record) = record.filter(|record| record.is_as_large(size)) {
            files.insert(name.clone(), record);
        }
    }
    Ok(files)
}

async fn read(place: &Destination, file: &str, op: &str) -> Result<Option<Record>, Fault> {
    let name = name::record(file);
    let bytes = place.read(op, &name, record::MAX_BYTES).await?;
    Ok(bytes.and_then(|bytes| Record::parse(&bytes)))
}
