//! Files on the one datastore, by their paths, `[ds] folder/file`. Folders are there as long as they hold
//! something.

use super::values::fault;
use std::collections::BTreeMap;
use vsphere_driver::soap::{Element, VimFault};

/// Path and content.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The ISO that machines boot.
pub(super) fn at_first() -> Files {
    [("[ds] iso/agent.iso".to_owned(), vec![0; 1_000_000])].into()
}

/// The files in a folder that match: a name, or `*` for all.
pub(super) fn search(files: &Files, folder: &str, pattern: &str) -> Result<Element, VimFault> {
    let within = |path: &'_ str| {
        let name = path.strip_prefix(folder)?.strip_prefix('/')?.to_owned();
        (!name.contains('/')).then_some(name)
    };
    let inside = files
        .iter()
        .filter_map(|(path, content)| Some((within(path)?, content.len())));
    let mut inside = inside.peekable();
    if inside.peek().is_none() {
        return Err(fault("FileNotFound", None));
    }
    let matching = inside.filter(|(name, _)| pattern == "*" || pattern == name);
    let described = matching.map(|(name, size)| {
        let size = Element::leaf("fileSize", size.to_string());
        Element::parent("file", vec![Element::leaf("path", name), size])
    });
    let mut result = vec![Element::leaf("folderPath", folder)];
    result.extend(described);
    Ok(Element::parent("val", result))
}

/// Gives a file another name, never that of another.
pub(super) fn rename(files: &mut Files, from: &str, to: &str) -> Result<Option<Element>, VimFault> {
    if files.contains_key(to) {
        return Err(fault("FileAlreadyExists", None));
    }
    let content = files
        .remove(from)
        .ok_or_else(|| fault("FileNotFound", None))?;
    files.insert(to.to_owned(), content);
    Ok(None)
}

/// Removes a file.
pub(super) fn delete(files: &mut Files, path: &str) -> Result<Option<Element>, VimFault> {
    let removed = files.remove(path);
    removed
        .map(|_| None)
        .ok_or_else(|| fault("FileNotFound", None))
}
