//! What waits for what when vCenter is slow, and how many creates are under way.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use lab::Lab;
use lab::proxy::{Action, Fault};
use serde::Serialize;

use super::clients::{Machines, all_done};
use super::report::{Check, Memory, finish, number, percentile, rounded};
use crate::args::Lanes;
use crate::screen::say;

const CREATE: &str = "CreateVM_Task";
/// Machines that are made while vCenter is quick.
const QUICK: i32 = 400;
/// Machines that are made when the driver has noticed that it is slow.
const SLOW: i32 = 200;
/// Of the first, so many are removed while it is slow, and as many switched off.
const REMOVED: i32 = 20;
/// Between two looks at how many creates are under way.
const LOOK: Duration = Duration::from_millis(20);

/// How many creates were under way at each look, since the last take.
#[derive(Debug, Default)]
struct UnderWay(Mutex<Vec<f64>>);

#[derive(Debug, Serialize)]
struct Figures {
    creates: u32,
    slow_milliseconds: u64,
    /// Creates under way at most while vCenter was quick.
    quick_under_way: f64,
    /// Creates under way once the driver has noticed that it is slow: median and most.
    slow_under_way: f64,
    slow_under_way_most: f64,
    /// Seconds from the call to the last machine off or gone, behind all the creates.
    seconds_to_switch_off: f64,
    seconds_to_delete: f64,
    /// Creates that had ended by then.
    creates_before: u64,
    /// Seconds until the last machine was made.
    seconds_to_make: f64,
    rss_mb: Memory,
}

/// Makes machines quickly, then slowly, and meanwhile removes some.
pub(super) async fn run(lanes: &Lanes) -> anyhow::Result<()> {
    let lab = super::with_driver().start().await?;
    let client = Machines::of(&lab).await?;
    client.until_synced().await?;
    let under_way = UnderWay::default();
    let measured = measure(lanes, &lab, &client, &under_way);
    let figures = tokio::select! {
        figures = measured => figures?,
        never = under_way.look(&lab) => match never {},
    };
    let checks = [
        Check::at_least("slow_under_way_seen", 1.0, figures.slow_under_way),
        Check::at_most("slow_under_way", 20.0, figures.slow_under_way),
        Check::at_least(
            "fewer_when_slow",
            1.0,
            figures.quick_under_way - figures.slow_under_way,
        ),
        Check::at_most("seconds_to_switch_off", 2.0, figures.seconds_to_switch_off),
        Check::at_most("seconds_to_delete", 3.0, figures.seconds_to_delete),
        Check::at_most(
            "creates_before",
            f64::from(lanes.creates) / 2.0,
            number(figures.creates_before),
        ),
    ];
    finish(lanes.json.as_deref(), &figures, &checks)
}

async fn measure(
    lanes: &Lanes,
    lab: &Lab,
    client: &Machines,
    under_way: &UnderWay,
) -> anyhow::Result<Figures> {
    all_done(&client.ensure(1..=QUICK, true).await?, true)?;
    let quick_under_way = percentile(&under_way.take(), 1.0);
    say(&format!(
        "{quick_under_way} creates at once while vCenter is quick"
    ));

    lab.proxy().add(Fault::each(
        CREATE,
        Action::delay(Duration::from_millis(lanes.slow)),
    ));
    lab.proxy().reset();
    let last = QUICK + i32::try_from(lanes.creates)?;
    let began = Instant::now();
    let make = async {
        all_done(&client.ensure(QUICK + 1..=last, true).await?, true)?;
        Ok::<_, anyhow::Error>(began.elapsed().as_secs_f64())
    };
    let remove = async {
        lab.proxy().seen(CREATE, 1).await;
        let off: Vec<_> = (1..=REMOVED).collect();
        let gone: Vec<_> = (REMOVED + 1..=2 * REMOVED).collect();
        let (off, gone) = tokio::try_join!(client.switch_off(&off), client.delete(&gone))?;
        let creates_before = lab.proxy().counts().of(CREATE).answers;
        Ok::<_, anyhow::Error>((off, gone, creates_before))
    };
    let (seconds_to_make, (off, gone, creates_before)) = tokio::try_join!(make, remove)?;
    // By now the driver knows how slow it is.
    under_way.take();
    all_done(&client.ensure(last + 1..=last + SLOW, true).await?, true)?;
    let slow: Vec<_> = under_way
        .take()
        .into_iter()
        .filter(|count| *count > 0.0)
        .collect();
    Ok(Figures {
        creates: lanes.creates,
        slow_milliseconds: lanes.slow,
        quick_under_way,
        slow_under_way: percentile(&slow, 0.5),
        slow_under_way_most: percentile(&slow, 1.0),
        seconds_to_switch_off: rounded(off),
        seconds_to_delete: rounded(gone),
        creates_before,
        seconds_to_make: rounded(seconds_to_make),
        rss_mb: Memory::now(lab)?,
    })
}

// === impl UnderWay ===

impl UnderWay {
    /// Looks for ever.
    async fn look(&self, lab: &Lab) -> std::convert::Infallible {
        loop {
            let count = lab.proxy().counts().of(CREATE);
            let now = number(count.calls.saturating_sub(count.answers));
            if let Ok(mut seen) = self.0.lock() {
                seen.push(now);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn take(&self) -> Vec<f64> {
        self.0
            .lock()
            .map(|mut seen| std::mem::take(&mut *seen))
            .unwrap_or_default()
    }
}
