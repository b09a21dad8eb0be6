//! Tokens and passwords of a lab: random, and only ever in files of mode 0600.

use std::io::Read as _;
use std::path::Path;

use crate::error::{Doing as _, Result};
use crate::hexadecimal::hexadecimal;

/// Thirty-two hexadecimal digits that nobody can guess.
pub(crate) fn random() -> Result<String> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    std::fs::File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .doing("reading", source)?;
    Ok(hexadecimal(&bytes))
}
