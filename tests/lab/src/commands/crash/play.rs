//! Plays a round: asks for a change, kills at the planned calls, starts again, and looks.

mod kill;

use std::fmt;
use std::time::{Duration, Instant};

use kube::ResourceExt as _;
use lab::agents::InfraEnv;
use lab::{Lab, wait_for};
use serde::Serialize;
use serde_json::{Value, json};

use self::kill::Killed;
use super::eyes::{self, Census};
use super::invariants::{Invariant, Judge};
use super::plan::{Change, Round};
use super::world::{Strangers, World};
use super::{NAME, rounded};
use crate::commands::isos::{Figures, Library, Watch};

/// How long a planned call, or what is asked for, is waited for at most.
const PATIENCE: Duration = Duration::from_mins(2);
/// How soon after the last kill all must be as asked for.
const CONVERGED: Duration = Duration::from_secs(30);

/// What a person set on the template.
const LABEL: (&str, &str) = ("example.org/team", "blue");
const ANNOTATION: (&str, &str) = ("example.org/note", "kept");

/// A round that was played.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Played {
    change: Change,
    kills: Vec<Killed>,
    vms: usize,
    orphans: usize,
    duplicates: usize,
    foreign_mutations: usize,
    most_vms: usize,
    converged_s: f64,
}

/// A lab whose services are killed again and again.
pub(super) struct Player {
    lab: Lab,
    vms: u32,
    strangers: Strangers,
    copied: bool,
    asked: u32,
    /// UID of the template, while there is one.
    owner: Option<String>,
    watch: Watch,
    infra_env: InfraEnv,
    library: Library,
}

impl Player {
    pub(super) async fn start(lab: Lab, vms: u32) -> anyhow::Result<Self> {
        let strangers = Strangers::make(&lab, NAME).await?;
        let watch = Watch::start(&lab).await?;
        let infra_env = InfraEnv::new(&lab, NAME);
        let library = Library::open(&lab, vec![infra_env.clone()], &watch).await?;
        Ok(Self {
            lab,
            watch,
            library,
            infra_env,
            vms,
            strangers,
            copied: false,
            asked: 0,
            owner: None,
        })
    }

    pub(super) fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Plays a round. What does not hold is told to `judge`.
    ///
    /// # Errors
    /// When a planned call never came, or what was asked for never happened.
    pub(super) async fn play(
        &mut self,
        round: &Round,
        judge: &mut Judge,
    ) -> anyhow::Result<Played> {
        self.lab.proxy().reset();
        self.lab.rpcs()?.reset();
        let before = self.asked;
        let census = Census::start(self.lab.vcenter().govc().clone());
        if round.change == Change::Up {
            self.library.publish(&self.lab, &self.watch)?;
        }
        let mut kills = round.kills.iter().peekable();
        let mut coming = match kills.peek() {
            Some(kill) => Some(self.arm(kill)?),
            None => None,
        };
        self.ask(round.change).await?;
        let mut killed = Vec::new();
        while let (Some(kill), Some(coming_now)) = (kills.next(), coming.take()) {
            killed.push(self.seen(kill, coming_now).await?);
            let next = kills.peek().copied();
            coming = self.start_again(kill, next).await?;
        }
        let began = Instant::now();
        self.converged(round.change).await?;
        let took = began.elapsed();
        let counted = census.end();
        judge.must(Invariant::I4, counted.is_some(), || {
            "nobody could count".to_owned()
        });
        let played = Played {
            change: round.change,
            kills: killed,
            converged_s: rounded(took.as_secs_f64()),
            most_vms: counted
                .unwrap_or_default()
                .saturating_sub(self.strangers.count()),
            ..self.judged(judge).await?
        };
        judge.must(Invariant::I8, took <= CONVERGED, || {
            format!("converged after {} s", took.as_secs())
        });
        let allowed = usize::try_from(before.max(self.asked))?;
        judge.must(Invariant::I4, played.most_vms <= allowed, || {
            format!("{} machines where {allowed} are enough", played.most_vms)
        });
        if !self.copied && round.change != Change::Delete {
            self.strangers.copy_one(&self.lab).await?;
            self.copied = true;
        }
        Ok(played)
    }

    /// Stops both services, and judges what can only be judged then.
    pub(super) async fn end(&mut self, judge: &mut Judge) -> anyhow::Result<()> {
        self.watch.told(judge).await;
        eyes::end(&mut self.lab, judge).await
    }

    /// What was seen of all ISOs.
    pub(super) fn isos(&self) -> Figures {
        self.watch.figures()
    }

    async fn ask(&mut self, change: Change) -> anyhow::Result<()> {
        self.asked = change.machines(self.vms);
        if change == Change::Up {
            self.library.tell(&self.lab).await?;
        }
        match (change, &self.owner) {
            (Change::Delete, _) => {
                self.lab
                    .kubectl(&["delete", "vmtemplate", NAME, "--wait=false"])
                    .await?;
            }
            (_, None) => {
                let template = self.lab.template(NAME, self.asked);
                let mut template = self.infra_env.followed_by(&self.lab, template)?;
                template["metadata"]["labels"] = json!({LABEL.0: LABEL.1});
                template["metadata"]["annotations"] = json!({ANNOTATION.0: ANNOTATION.1});
                self.lab.apply(&template).await?;
                self.owner = self.lab.templates()?.get(NAME).await?.uid();
            }
            (_, Some(_)) => {
                let replicas = format!("--replicas={}", self.asked);
                self.lab
                    .kubectl(&["scale", "vmtemplate", NAME, &replicas])
                    .await?;
            }
        }
        Ok(())
    }

    /// Waits until the status says of the present generation that all is as asked for.
    async fn converged(&mut self, change: Change) -> anyhow::Result<()> {
        let api = self.lab.templates()?;
        if change == Change::Delete {
            wait_for(api, NAME, PATIENCE, |it| it.is_none()).await?;
            self.owner = None;
            return Ok(());
        }
        let asked = self.asked;
        self.lab
            .wait_for_template(NAME, PATIENCE, |template| {
                template.is_some_and(|template| {
                    says_so(template, asked) && self.library.is_booted_by(template)
                })
            })
            .await?;
        Ok(())
    }

    /// Looks at the world right after the status claimed that all is well.
    async fn judged(&mut self, judge: &mut Judge) -> anyhow::Result<Played> {
        self.watch.told(judge).await;
        let owner = self.owner.as_deref();
        let world = World::look(self.lab.vcenter().govc(), &self.strangers).await?;
        let (orphans, duplicates) = (world.orphans(owner.as_slice()), world.duplicates());
        let running = world.running(owner);
        judge.none_of(Invariant::I1, "orphans", &orphans);
        judge.none_of(Invariant::I2, "made twice", &duplicates);
        let claimed = usize::try_from(self.asked)?;
        let true_claim = running == claimed && orphans.is_empty() && duplicates.is_empty();
        judge.must(Invariant::I10, true_claim, || {
            format!("the status says {claimed}, and {running} are on")
        });
        let touched = eyes::touched(&self.lab, &self.strangers, &world, judge);
        self.kept_what_people_set(judge).await?;
        eyes::sessions(&self.lab, 1, judge).await?;
        eyes::calm(&self.lab, judge)?;
        Ok(Played {
            change: Change::Up,
            kills: Vec::new(),
            vms: running,
            orphans: orphans.len(),
            duplicates: duplicates.len(),
            foreign_mutations: touched,
            most_vms: 0,
            converged_s: 0.0,
        })
    }

    async fn kept_what_people_set(&self, judge: &mut Judge) -> anyhow::Result<()> {
        let Some(template) = self.lab.templates()?.get_opt(NAME).await? else {
            return Ok(());
        };
        let label = template.labels().get(LABEL.0).map(String::as_str);
        let note = template.annotations().get(ANNOTATION.0);
        let note = note.map(String::as_str);
        let kept = label == Some(LABEL.1) && note == Some(ANNOTATION.1);
        judge.must(Invariant::I6, kept, || {
            format!("label {label:?}, annotation {note:?}")
        });
        Ok(())
    }
}

/// Whether the status says, of what is asked for now, that so many machines are ready.
fn says_so(template: &Value, asked: u32) -> bool {
    let status = &template["status"];
    let listed = status["vmStatus"].as_array().map_or(0, Vec::len);
    status["observedGeneration"] == template["metadata"]["generation"]
        && status["readyReplicas"] == json!(asked)
        && status["currentReplicas"] == json!(asked)
        && listed == asked as usize
}

impl Played {
    pub(super) fn kills(&self) -> usize {
        self.kills.len()
    }
}

impl fmt::Display for Played {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.change)?;
        for kill in &self.kills {
            write!(out, ", {kill}")?;
        }
        write!(
            out,
            ": {} on, {} orphans, {} twice, {} foreign touched, {:.1} s",
            self.vms, self.orphans, self.duplicates, self.foreign_mutations, self.converged_s
        )
    }
}
