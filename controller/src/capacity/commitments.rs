//! What templates still lack, and where it would go.

use super::Taken;
use crate::driver::{Capacity, Needs};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What all templates still lack, by UID.
#[derive(Debug, Default)]
pub struct Commitments(Mutex<HashMap<String, Commitment>>);

/// What one template still lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Where it would go.
    pub site: Site,
    /// What each machine takes.
    pub needs: Needs,
    /// How many machines.
    pub missing: i32,
}

/// Where machines take their room from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Instance UUID of the vCenter: managed object ids are good within one.
    pub vcenter: String,
    /// Managed object id of the cluster.
    pub cluster: String,
    /// Managed object id of the pool, or of the cluster again.
    pub compute: String,
    /// Managed object id of the datastore.
    pub datastore: String,
}

// === impl Commitments ===

impl Commitments {
    /// The template of this UID lacks so much, or nothing.
    pub fn note(&self, uid: &str, commitment: Option<Commitment>) {
        match commitment.filter(|commitment| commitment.missing > 0) {
            Some(commitment) => self.lock().insert(uid.to_owned(), commitment),
            None => self.lock().remove(uid),
        };
    }

    /// What others than the template of this UID will take of a site.
    pub fn of_others(&self, uid: &str, site: &Site) -> Taken {
        let all = self.lock();
        let others = all.iter().filter(|(other, _)| other.as_str() != uid);
        others.fold(Taken::default(), |taken, (_, commitment)| {
            taken.plus(commitment, site)
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Commitment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Site ===

impl Site {
    /// The site of a measurement in this vCenter.
    pub fn of(vcenter: &str, capacity: &Capacity) -> Self {
        Self {
            vcenter: vcenter.to_owned(),
            cluster: capacity.compute.cluster_moref.clone(),
            compute: capacity.compute.moref.clone(),
            datastore: capacity.datastore.moref.clone(),
        }
    }
}

// === impl Taken ===

impl Taken {
    /// With what a commitment takes of this site.
    fn plus(mut self, commitment: &Commitment, site: &Site) -> Self {
        let Commitment {
            site: theirs,
            needs,
            missing,
        } = commitment;
        if theirs.vcenter != site.vcenter {
            return self;
        }
        let all = i64::from(*missing);
        let (cpu_mhz, memory_mib) = (needs.cpu_mhz * all, needs.memory_mib * all);
        if theirs.cluster == site.cluster {
            self.of_cluster.cpu_mhz += cpu_mhz;
            self.of_cluster.memory_mib += memory_mib;
            self.machines += missing;
        }
        if theirs.compute == site.compute {
            self.of_compute.cpu_mhz += cpu_mhz;
            self.of_compute.memory_mib += memory_mib;
        }
        if theirs.datastore == site.datastore {
            self.bytes += needs.bytes() * all;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::room::Amount;

    fn site(vcenter: &str, pool: &str, datastore: &str) -> Site {
        Site {
            vcenter: vcenter.into(),
            cluster: "domain-c1".into(),
            compute: pool.into(),
            datastore: datastore.into(),
        }
    }

    fn lacks(missing: i32, site: Site) -> Commitment {
        let needs = Needs {
            cpu_mhz: 1_000,
            memory_mib: 4_096,
            disk_gib: 96,
        };
        Commitment {
            site,
            needs,
            missing,
        }
    }

    fn amount(machines: i64) -> Amount {
        Amount {
            cpu_mhz: 1_000 * machines,
            memory_mib: 4_096 * machines,
        }
    }

    #[test]
    fn only_what_others_lack_in_the_same_place_is_taken() {
        let here = || site("vc-a", "resgroup-1", "datastore-1");
        let gib = 1_i64 << 30;
        for (why, other, cluster, pool, bytes) in [
            ("the same place", here(), 2, 2, 200 * gib),
            (
                "another pool of the cluster",
                site("vc-a", "domain-c1", "datastore-1"),
                2,
                0,
                200 * gib,
            ),
            (
                "another datastore",
                site("vc-a", "resgroup-1", "datastore-2"),
                2,
                2,
                0,
            ),
            (
                "another cluster",
                Site {
                    cluster: "domain-c2".into(),
                    ..site("vc-a", "domain-c2", "datastore-1")
                },
                0,
                0,
                200 * gib,
            ),
            (
                "another vCenter with the same ids",
                Site {
                    vcenter: "vc-b".into(),
                    ..here()
                },
                0,
                0,
                0,
            ),
        ] {
            let all = Commitments::default();
            all.note("mine", Some(lacks(9, here())));
            all.note("other", Some(lacks(2, other)));
            let taken = Taken {
                of_cluster: amount(cluster),
                of_compute: amount(pool),
                bytes,
                machines: i32::try_from(cluster).unwrap(),
            };
            assert_eq!(all.of_others("mine", &here()), taken, "{why}");
        }
    }

    #[test]
    fn what_is_there_or_given_up_is_no_longer_lacking() {
        let here = || site("vc-a", "resgroup-1", "datastore-1");
        let all = Commitments::default();
        for nothing in [Some(lacks(0, here())), None] {
            all.note("other", Some(lacks(2, here())));
            assert_eq!(all.of_others("mine", &here()).machines, 2);
            all.note("other", nothing);
            assert_eq!(all.of_others("mine", &here()), Taken::default());
        }
    }
}
