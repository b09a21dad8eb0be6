//! Processes of the lab: started with their output in a file, ended by their own id.

mod log;
mod recorded;
mod watchdog;

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

pub use self::log::Log;
pub use self::recorded::Recorded;
pub use self::watchdog::Sweeper;
use self::watchdog::Watchdog;
use crate::error::{Doing as _, Error, Result};

/// How often a child is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// How long a process has for ending by itself.
pub const GRACE: Duration = Duration::from_secs(20);

/// What to start.
#[derive(Debug, Clone)]
pub struct Program {
    /// Short name, for messages and the log's file name.
    pub name: String,
    /// The program's file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What its environment has beyond ours.
    pub environment: Vec<(String, String)>,
}

impl Program {
    /// A program without arguments.
    pub fn new(name: &str, path: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Adds arguments.
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an argument and its value.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that callers need not borrow"
    )]
    pub fn option(self, name: &str, value: impl ToString) -> Self {
        self.arguments([name.to_owned(), value.to_string()])
    }

    /// Adds a variable to the environment.
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Log,
    watchdog: Option<Watchdog>,
}

impl Process {
    /// Starts `program` with its output going to the end of `NAME.log` in `folder`.
    ///
    /// It ends when this is dropped, and when the process that called this ends in whatever way.
    pub fn start(program: &Program, folder: &Path) -> Result<Self> {
        let mut process = Self::start_detached(program, folder)?;
        process.watchdog = Some(Watchdog::over(process.id())?);
        Ok(process)
    }

    /// The same, but it goes on when this is dropped.
    pub fn start_detached(program: &Program, folder: &Path) -> Result<Self> {
        let log = Log::at_end(folder.join(format!("{}.log", program.name)));
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log.path())
            .doing("creating", log.path())?;
        let errors = output.try_clone().doing("sharing", log.path())?;
        let child = Command::new(&program.path)
            .args(&program.arguments)
            .envs(
                program
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C on a terminal reaches its whole group; the lab decides itself who ends when.
            .process_group(0)
            .spawn()
            .doing("starting", &program.path)?;
        Ok(Self {
            name: program.name.clone(),
            child,
            log,
            watchdog: None,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote since it was started.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Says what became of it if it does not run any more.
    pub fn must_run(&mut self) -> Result<()> {
        match self
            .child
            .try_wait()
            .doing("waiting for", self.log.path())?
        {
            Some(status) => Err(self.death(status)),
            None => Ok(()),
        }
    }

    /// Waits until `find` gives something for a line of its log.
    ///
    /// # Errors
    /// When it ends before, or `within` is over.
    pub async fn line<T>(
        &mut self,
        what: &str,
        within: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        loop {
            let ended = self
                .child
                .try_wait()
                .doing("waiting for", self.log.path())?;
            if let Some(found) = self.log.lines().iter().find_map(|line| find(line)) {
                return Ok(found);
            }
            if let Some(status) = ended {
                return Err(self.death(status));
            }
            if Instant::now() > deadline {
                let what = format!("{what} in {}", self.log.path().display());
                return Err(Error::TimedOut {
                    what,
                    after: within,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// When it has not ended `within` the time; it is killed then.
    pub async fn stop(mut self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended(within).await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it has not `within` the time.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .doing("waiting for", self.log.path())?
            {
                return Ok(status);
            }
            if Instant::now() > deadline {
                let what = format!("{} to end", self.name);
                return Err(Error::TimedOut {
                    what,
                    after: within,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        kill_process(pid, signal)
            .map_err(Into::into)
            .doing("signalling", self.log.path())
    }

    /// What kills it at once (SIGKILL), from wherever it is called; [`Process::kill`] then only waits.
    pub fn killer(&self) -> impl FnOnce() + Send + use<> {
        // The id stays this child's until somebody waits for it.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        move || {
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    /// The memory that it has, in MB.
    pub fn memory_mb(&self) -> Result<f64> {
        recorded::memory_mb(self.id())
    }

    /// The most memory that it has had, in MB.
    pub fn peak_memory_mb(&self) -> Result<f64> {
        recorded::peak_memory_mb(self.id())
    }

    /// Forgets that most: from now on it is counted anew.
    pub fn forget_peak_memory(&self) -> Result<()> {
        recorded::forget_peak_memory(self.id())
    }

    /// What is needed to find it again from another process.
    pub fn record(&self) -> Result<Recorded> {
        Recorded::of(&self.name, self.child.id(), self.log.path())
    }

    fn end(&mut self) -> Result<()> {
        self.child.kill().doing("killing", self.log.path())?;
        self.child.wait().doing("waiting for", self.log.path())?;
        Ok(())
    }

    fn death(&self, status: ExitStatus) -> Error {
        Error::Ended {
            name: self.name.clone(),
            status: status.to_string(),
            log: self.log.path().to_owned(),
            tail: self.log.tail(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A detached process has no watchdog, and is meant to stay.
        if let Some(watchdog) = self.watchdog.take() {
            let _ = self.end();
            watchdog.dismiss();
        }
    }
}
