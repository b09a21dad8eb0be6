//! `cargo lab canary`.

use super::write_json;
use crate::args::Canary;
use crate::screen::say;

/// Says whether a secret was let out by any lab.
///
/// # Errors
/// One was, or nothing was searched.
pub(crate) fn run(canary: &Canary) -> anyhow::Result<()> {
    if canary.clear {
        return Ok(lab::canary::clear()?);
    }
    let summary = lab::canary::sum_up()?;
    write_json(canary.json.as_deref(), &summary)?;
    say(&format!(
        "{} labs, {} bytes searched for {} secrets, hits = {}",
        summary.labs, summary.bytes_searched, summary.secrets, summary.hits
    ));
    for origin in &summary.origins {
        say(&format!("  searched: {origin}"));
    }
    anyhow::ensure!(
        summary.bytes_searched > 0 && summary.secrets > 0,
        "nothing was searched: run the tests first"
    );
    anyhow::ensure!(
        summary.hits == 0,
        "secrets were let out: {:?}",
        summary.found
    );
    Ok(())
}
