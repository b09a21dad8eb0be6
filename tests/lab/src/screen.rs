//! What a person at the terminal sees.

use std::io::Write as _;

/// Prints a line.
pub(crate) fn say(line: &str) {
    // Nobody is there to hear that nobody is there.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints why a command failed.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "error: {line}");
}
