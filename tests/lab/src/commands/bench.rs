//! stub
pub(crate) async fn run(_: &crate::args::Bench) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
