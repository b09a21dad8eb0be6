//! Writes the generated manifests into a folder, `deploy` by default: `cargo crds`.

use anyhow::Context as _;
use std::{env, fs, path::PathBuf};

fn main() -> anyhow::Result<()> {
    let deploy = env::args_os().nth(1);
    let deploy = deploy.map_or_else(|| PathBuf::from("deploy"), PathBuf::from);
    for (name, text) in controller::manifests::manifests()? {
        let path = deploy.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
