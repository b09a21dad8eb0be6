//! The command line of the lab.

mod bench;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use lab::proxy::Hostile;

use self::bench::size;
pub(crate) use self::bench::{
    Bench, BenchMode, Idle, Iso, Lanes, Make, Measure, Overload, Templates, Watch,
};

/// A local hub and a simulated vCenter with our two services between them.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
pub(crate) struct Args {
    /// What the lab itself logs, in `tracing`'s filter syntax.
    #[arg(long, env = "HCP_LAB_LOG", default_value = "lab=info", global = true)]
    pub(crate) log: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the main job from beginning to end, and checks each step from outside.
    Demo(Demo),
    /// Starts a lab that stays until `cargo lab down`.
    Up(Up),
    /// Holds the lab of `cargo lab up`.
    #[command(hide = true)]
    Keep(Up),
    /// Says what runs, and where.
    Status(Status),
    /// Kills a service of the running lab if it runs, and starts it again.
    Restart(Restart),
    /// Ends the lab.
    Down,
    /// Prints shell exports for the running lab: `eval "$(cargo lab env)"`.
    Env,
    /// Breaks calls to vCenter, counts them, or makes vCenter slow or unreachable.
    Fault(Fault),
    /// Serves one more ISO by the image service of the running lab, and prints its URL.
    Image(Image),
    /// Measures speed, calls and memory, beside what is aimed at.
    Bench(Bench),
    /// Kills the services at certain calls, starts them again, and looks at what became of it.
    Crash(Crash),
    /// Plays a node pool at random, with kills and outages, and looks at what became of it.
    Soak(Soak),
    /// Sums up the searches for secrets in what all labs said since the last `--clear`.
    Canary(Canary),
    /// Builds all tools, and says where they are.
    Tools,
}

/// How the template of the demo works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Both, one after the other.
    All,
    /// `testMode: true`: as many machines as `spec.replicas`.
    Test,
    /// A node pool: as many machines as it asks for, with their Agents.
    Nodepool,
}

/// Options of `canary`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Canary {
    /// Forgets all searches, for a new run of the tests.
    #[arg(long)]
    pub(crate) clear: bool,
    /// Writes the summary to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `demo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// How many machines there shall be at first.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub(crate) replicas: u32,
    /// How the template works.
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) mode: Mode,
    /// A folder with CRDs of HyperShift, the assisted installer and Cluster API instead of the lab's
    /// own.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) crds: Option<PathBuf>,
    /// Keeps the lab up after the last step, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Where the summary goes, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// What a lab can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// vCenter and the driver; no hub, no controller.
    Driver,
}

/// Options of `up`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// How many vCenters: `lab`, `lab2` and so on.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) vcenters: u8,
    /// An argument for the simulator, `-host=8`; may be given several times.
    #[arg(
        long = "vcsim-arg",
        value_name = "ARGUMENT",
        allow_hyphen_values = true
    )]
    pub(crate) vcsim_arguments: Vec<String>,
    /// Delay of each call to vCenter in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) delay: u64,
    /// A folder with CRDs of HyperShift, the assisted installer and Cluster API, as `kubectl get crd
    /// --output yaml` prints those of a real hub, instead of the lab's own.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) crds: Option<PathBuf>,
    /// Leaves out everything else.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
    /// Where the addresses, processes and files of the lab are written, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `status`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// Where the status goes as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `restart`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Restart {
    /// Which service.
    #[arg(value_enum)]
    pub(crate) service: Service,
}

/// One of our services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// The driver.
    Driver,
    /// The controller.
    Controller,
}

/// Options of `image`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Image {
    /// How large the ISO is.
    #[arg(long, default_value = "16MiB", value_name = "SIZE", value_parser = size)]
    pub(crate) size: u64,
    /// How much of it is sent in a second, at most; left out: as much as goes.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) rate: Option<u64>,
    /// The URLs of all earlier ones are refused from now on, as those with an expired token are.
    #[arg(long)]
    pub(crate) expire: bool,
}

/// Options of `fault`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Fault {
    /// At which vCenter.
    #[arg(long, default_value = "lab", global = true)]
    pub(crate) vcenter: String,
    #[command(subcommand)]
    pub(crate) command: FaultCommand,
}

/// What to do about faults.
#[derive(Debug, Subcommand)]
pub(crate) enum FaultCommand {
    /// Breaks calls from now on.
    Add(AddFault),
    /// Lists the faults, with how often each has acted.
    List,
    /// Takes all faults away; vCenter is reachable and fast again.
    Clear,
    /// Prints what was counted, by SOAP method.
    Counts,
    /// Begins counting anew.
    Reset,
    /// Makes vCenter unreachable: `refused` or `silent`; `none` brings it back.
    Outage {
        /// How.
        #[arg(value_parser = ["none", "refused", "silent"])]
        kind: String,
    },
    /// Delays each call by so many milliseconds.
    Delay {
        /// By how many.
        milliseconds: u64,
    },
}

/// Options of `fault add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AddFault {
    /// SOAP method, `CreateVM_Task`; or `*` for each.
    pub(crate) method: String,
    /// What is done to the calls.
    #[arg(value_enum)]
    pub(crate) kind: FaultKind,
    /// From which call on; 1 is the next.
    #[arg(long, default_value_t = 1)]
    pub(crate) nth: u64,
    /// How many calls from there on.
    #[arg(long, default_value_t = 1)]
    pub(crate) times: u64,
    /// With `delay`: by how many milliseconds.
    #[arg(long, required_if_eq("kind", "delay"))]
    pub(crate) milliseconds: Option<u64>,
    /// With `status`: which HTTP status.
    #[arg(long, required_if_eq("kind", "status"))]
    pub(crate) code: Option<u16>,
    /// With `reply`: the fault's type in the vSphere API, `NotAuthenticated`.
    #[arg(long, required_if_eq("kind", "reply"))]
    pub(crate) fault: Option<String>,
    /// With `reply`: what stands inside the fault, as XML.
    #[arg(long, default_value = "")]
    pub(crate) detail: String,
    /// With `hostile`: what is wrong with the answer.
    #[arg(long, value_enum, required_if_eq("kind", "hostile"))]
    pub(crate) with: Option<Hostile>,
}

/// How a call is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultKind {
    /// Cut before vCenter sees it.
    DropBefore,
    /// Done by vCenter, and its answer lost.
    DropAfter,
    /// Passed on later.
    Delay,
    /// Half of the answer is passed on.
    Truncate,
    /// Answered with an HTTP status.
    Status,
    /// Answered with a SOAP fault.
    Reply,
    /// Answered with what no vCenter sends.
    Hostile,
}

/// Options of `crash`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Crash {
    /// How many machines there are when there are most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(5..=500))]
    pub(crate) vms: u32,
    /// How many times a change is asked for, and somebody killed meanwhile.
    #[arg(long, default_value_t = 30)]
    pub(crate) rounds: usize,
    /// What all kills follow from: the same seed kills at the same calls.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `soak`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Soak {
    /// For how long.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub(crate) minutes: u32,
    /// How many nodes there are when there are most.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=100))]
    pub(crate) nodes: u32,
    /// What all changes and blows follow from: the same seed asks for the same.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}
