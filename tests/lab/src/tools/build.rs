//! Building a tool with Go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use super::cache::Cache;
use super::error::{Doing as _, Error};
use super::mend;
use super::recipe::Recipe;

/// How much of Go's complaint is shown: its end says what stopped it.
const COMPLAINT: usize = 4_000;

/// Builds a tool into the cache. The caller holds the cache's lock, so that one build runs at a time:
/// a large one takes two gigabytes and every core.
pub(super) async fn build(recipe: &Recipe, cache: &Cache) -> Result<PathBuf, Error> {
    let tool = recipe.tool.name();
    tracing::info!(tool, version = %recipe.version, "Building a tool of the lab");
    let workplace = cache.workplace()?;
    let product = workplace.path().join("product");
    fs::create_dir(&product).doing("making", &product)?;

    let mut command = go(&recipe.folder, &["build", "-trimpath", "-buildvcs=false"]);
    if !recipe.tool.mends().is_empty() {
        let mended = mend_module(recipe, workplace.path()).await?;
        command.arg("-modfile").arg(mended);
    }
    command.arg("-ldflags").arg(link_flags(recipe));
    command
        .arg("-o")
        .arg(product.join(tool))
        .arg(recipe.tool.package());
    run(command, "build").await?;

    let path = cache.keep(recipe, &product)?;
    tracing::info!(tool, path = %path.display(), "Built a tool of the lab");
    Ok(path)
}

/// Small programs, that know which version they are.
fn link_flags(recipe: &Recipe) -> String {
    let stamp = |variable: &&str| format!(" -X {variable}={}", recipe.version);
    let stamps: String = recipe.tool.stamps().iter().map(stamp).collect();
    format!("-s -w{stamps}")
}

/// Mends a copy of the tool's module, and returns the go.mod file that uses it.
async fn mend_module(recipe: &Recipe, workplace: &Path) -> Result<PathBuf, Error> {
    let module = recipe.tool.module();
    let original = module_folder(recipe).await?;
    let copy = workplace.join("module");
    copy_folder(&original, &copy)?;
    mend::apply(recipe.tool.mends(), &copy)?;

    let requirements = recipe.folder.join("go.mod");
    let text = fs::read_to_string(&requirements).doing("reading", &requirements)?;
    let text = format!("{text}\nreplace {module} => {}\n", copy.display());
    let mended = workplace.join("mended.mod");
    fs::write(&mended, text).doing("writing", &mended)?;
    let sums = recipe.folder.join("go.sum");
    fs::copy(&sums, workplace.join("mended.sum")).doing("copying", &sums)?;
    Ok(mended)
}

/// Where Go keeps the sources of the tool's module.
async fn module_folder(recipe: &Recipe) -> Result<PathBuf, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Downloaded {
        dir: PathBuf,
    }
    let command = "mod download -json";
    let mut download = go(&recipe.folder, &["mod", "download", "-json"]);
    download.arg(recipe.tool.module());
    let said = run(download, command).await?;
    let Downloaded { dir } =
        serde_json::from_slice(&said).map_err(|source| Error::Unreadable { command, source })?;
    Ok(dir)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir(to).doing("making", to)?;
    for entry in fs::read_dir(from).doing("listing", from)? {
        let entry = entry.doing("listing", from)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().doing("looking at", &from)?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to).doing("copying", &from)?;
        }
    }
    Ok(())
}

/// A Go command that does the same whatever the user has configured.
fn go(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0");
    command.env_remove("GOOS").env_remove("GOARCH");
    command
}

/// Runs a Go command, and returns its standard output.
async fn run(mut command: Command, what: &str) -> Result<Vec<u8>, Error> {
    let output = command.output().await.map_err(Error::NoGo)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let from = stderr.floor_char_boundary(stderr.len().saturating_sub(COMPLAINT));
    Err(Error::Go {
        command: what.to_owned(),
        stderr: stderr[from..].trim().to_owned(),
    })
}
