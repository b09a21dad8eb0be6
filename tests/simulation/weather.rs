//! How likely each kind of mishap is, in percent.

/// The chances of mishaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// A call never reaches vCenter.
    pub(crate) call_lost: u32,
    /// The reply of vCenter to a call is lost.
    pub(crate) reply_lost: u32,
    /// vCenter's web server is busy.
    pub(crate) busy: u32,
    /// A call or its reply is late.
    pub(crate) slow: u32,
    /// A task of vCenter fails.
    pub(crate) task_fails: u32,
    /// A task of vCenter takes its time.
    pub(crate) task_slow: u32,
    /// An update is told twice, or only a part of it at once.
    pub(crate) odd_updates: u32,
    /// vCenter refuses each filter, as one does that does not know a property.
    pub(crate) filters_refused: bool,
    /// vCenter forgets a session.
    pub(crate) session_ends: u32,
    /// An rpc never reaches the driver.
    pub(crate) rpc_lost: u32,
    /// The reply to an rpc is lost.
    pub(crate) rpc_reply_lost: u32,
    /// An rpc is late.
    pub(crate) rpc_slow: u32,
    /// A stream of the driver breaks, at each message.
    pub(crate) stream_breaks: u32,
    /// The API server refuses a write: somebody else wrote first.
    pub(crate) conflict: u32,
    /// A request never reaches the API server.
    pub(crate) request_lost: u32,
    /// The API server's reply is lost.
    pub(crate) answer_lost: u32,
    /// A watch of the API server breaks, at each event; now and then what it begins from is gone.
    pub(crate) watch_breaks: u32,
    /// An event of the API server is late.
    pub(crate) stale: u32,
}

impl Weather {
    /// Some mishaps are likely, most do not happen: each schedule has its own kind of trouble.
    pub(crate) fn of(dice: &mut fastrand::Rng) -> Self {
        let mut some = |most: u32| {
            if dice.u32(0..3) == 0 {
                dice.u32(1..=most)
            } else {
                0
            }
        };
        Self {
            call_lost: some(10),
            reply_lost: some(20),
            busy: some(10),
            slow: some(40),
            task_fails: some(30),
            task_slow: some(40),
            odd_updates: some(50),
            filters_refused: false,
            session_ends: some(5),
            rpc_lost: some(20),
            rpc_reply_lost: some(30),
            rpc_slow: some(40),
            stream_breaks: some(20),
            conflict: some(30),
            request_lost: some(15),
            answer_lost: some(25),
            watch_breaks: some(20),
            stale: some(50),
        }
    }
}
