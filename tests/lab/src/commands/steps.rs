//! Steps that are done one after the other, timed, and shown.

use std::time::Instant;

use serde::Serialize;

use crate::screen::say;

/// What became of one step.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    name: String,
    ok: bool,
    seconds: f64,
    evidence: String,
}

/// All steps so far.
#[derive(Debug, Default, Serialize)]
pub(super) struct Steps {
    pub(super) ok: bool,
    pub(super) steps: Vec<Step>,
}

impl Steps {
    /// Does a step, which returns what it saw.
    ///
    /// # Errors
    /// That of the step; it is recorded, too.
    pub(super) async fn step(
        &mut self,
        name: &str,
        work: impl Future<Output = anyhow::Result<String>>,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let result = work.await;
        let seconds = (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let ok = result.is_ok();
        let evidence = match &result {
            Ok(evidence) => evidence.clone(),
            Err(error) => format!("{error:#}"),
        };
        let mark = if ok { "ok    " } else { "FAILED" };
        say(&format!("{mark} {seconds:7.1} s  {name}: {evidence}"));
        self.steps.push(Step {
            name: name.to_owned(),
            ok,
            seconds,
            evidence,
        });
        self.ok = ok;
        result.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_that_fails_is_recorded_with_its_reason() {
        let mut steps = Steps::default();
        steps
            .step("first", async { Ok("seen".to_owned()) })
            .await
            .unwrap();
        steps
            .step("second", async { anyhow::bail!("not seen") })
            .await
            .unwrap_err();
        let seen: Vec<_> = steps
            .steps
            .iter()
            .map(|it| (it.ok, it.evidence.as_str()))
            .collect();
        assert_eq!(seen, [(true, "seen"), (false, "not seen")]);
        assert!(!steps.ok);
    }
}
