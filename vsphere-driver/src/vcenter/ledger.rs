//! Refused logins, so that a wrong password does not lock an account.
//!
//! Counted by server and user name, whichever vCenter of ours they came from. A password that was
//! refused is not tried again while its refusal counts; another one is, as long as fewer than three
//! were refused.

use sha2::{Digest as _, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a refusal counts.
pub const WINDOW: Duration = Duration::from_mins(15);
/// Refusals within the window that are risked.
pub const ALLOWED: usize = 3;

/// Refused logins of the last [`WINDOW`], of all vCenters.
pub struct Ledger {
    /// A key of this process: digests of passwords are worth nothing elsewhere.
    salt: [u8; 16],
    refused: Mutex<HashMap<Account, VecDeque<Refusal>>>,
}

/// Whose login was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// `host:port`.
    pub server: String,
    /// User name.
    pub username: String,
}

/// Why a login may not be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// When it may.
    pub until: Instant,
    /// It is this very password that was refused.
    pub same_password: bool,
}

struct Refusal {
    at: Instant,
    digest: [u8; 32],
}

// === impl Ledger ===

impl Ledger {
    /// Nothing refused yet. `salt` must be random.
    pub fn new(salt: [u8; 16]) -> Self {
        Self {
            salt,
            refused: Mutex::default(),
        }
    }

    /// Whether a login may be tried at `now`.
    pub fn admit(&self, account: &Account, password: &str, now: Instant) -> Result<(), Suspended> {
        let digest = self.digest(password);
        self.with(account, now, |refused| {
            let same = refused
                .iter()
                .rev()
                .find(|refusal| refusal.digest == digest);
            if let Some(refusal) = same {
                return Err(Suspended {
                    until: refusal.at + WINDOW,
                    same_password: true,
                });
            }
            match refused.front() {
                Some(oldest) if refused.len() >= ALLOWED => Err(Suspended {
                    until: oldest.at + WINDOW,
                    same_password: false,
                }),
                _ => Ok(()),
            }
        })
    }

    /// Notes a refusal. Gives how many more may be risked.
    pub fn refuse(&self, account: &Account, password: &str, now: Instant) -> usize {
        let digest = self.digest(password);
        // Of accounts that nobody asks for any more nothing is to be left.
        self.lock().retain(|_, refused| {
            refused.retain(|refusal| now < refusal.at + WINDOW);
            !refused.is_empty()
        });
        self.with(account, now, |refused| {
            refused.push_back(Refusal { at: now, digest });
            ALLOWED.saturating_sub(refused.len())
        })
    }

    /// Forgets the refusals of an account that logged in.
    pub fn succeed(&self, account: &Account) {
        self.lock().remove(account);
    }

    /// How many refusals count at `now`.
    pub fn refused(&self, account: &Account, now: Instant) -> usize {
        self.with(account, now, |refused| refused.len())
    }

    /// A digest of a password that is good in this process only.
    pub fn digest(&self, password: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.salt)
            .chain_update(password)
            .finalize()
            .into()
    }

    fn with<T>(
        &self,
        account: &Account,
        now: Instant,
        act: impl FnOnce(&mut VecDeque<Refusal>) -> T,
    ) -> T {
        let mut all = self.lock();
        let refused = all.entry(account.clone()).or_default();
        refused.retain(|refusal| now < refusal.at + WINDOW);
        let result = act(refused);
        if refused.is_empty() {
            all.remove(account);
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Account, VecDeque<Refusal>>> {
        // A panic elsewhere leaves whole entries behind.
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(username: &str) -> Account {
        Account {
            server: "vc:443".into(),
            username: username.into(),
        }
    }

    #[test]
    fn a_refused_password_is_not_tried_again_within_the_window() {
        let (ledger, user, now) = (Ledger::new([0; 16]), account("u"), Instant::now());
        assert_eq!(ledger.admit(&user, "wrong", now), Ok(()));
        assert_eq!(ledger.refuse(&user, "wrong", now), 2);
        let suspended = Suspended {
            until: now + WINDOW,
            same_password: true,
        };
        assert_eq!(ledger.admit(&user, "wrong", now), Err(suspended));
        assert_eq!(ledger.admit(&user, "wrong", now + WINDOW), Ok(()));
    }

    #[test]
    fn three_refusals_of_an_account_suspend_it_whatever_the_password() {
        let (ledger, user, now) = (Ledger::new([0; 16]), account("u"), Instant::now());
        for (index, password) in ["a", "b", "c"].iter().enumerate() {
            assert_eq!(ledger.admit(&user, password, now), Ok(()));
            assert_eq!(ledger.refuse(&user, password, now), 2 - index);
        }
        let suspended = Suspended {
            until: now + WINDOW,
            same_password: false,
        };
        assert_eq!(ledger.admit(&user, "d", now), Err(suspended));
        assert_eq!(ledger.admit(&account("other"), "d", now), Ok(()));
        ledger.succeed(&user);
        assert_eq!(ledger.admit(&user, "d", now), Ok(()));
    }

    #[test]
    fn accounts_that_nobody_asks_for_any_more_are_forgotten() {
        let (ledger, now) = (Ledger::new([0; 16]), Instant::now());
        ledger.refuse(&account("a"), "wrong", now);
        ledger.refuse(&account("b"), "wrong", now + WINDOW);
        assert_eq!(ledger.lock().len(), 1);
    }
}
