//! What HA's admission control keeps back for failures of hosts.

use super::{Amount, Host};
use crate::soap::{Element, MoRef};

/// By which rule HA keeps room back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// By none.
    #[default]
    Off,
    /// Shares of all that is effective, in percent.
    Percent(Amount),
    /// So many hosts may fail, whichever.
    Level(usize),
    /// These hosts run nothing until others fail.
    Hosts(Vec<MoRef>),
}

impl Admission {
    /// By `configurationEx.dasConfig` of a cluster; a stand-alone host has none.
    pub fn of(config: Option<&Element>) -> Self {
        let is = |path| config.and_then(|config| config.bool(path));
        // Absent is on: so it is in a cluster for which HA was switched on and nothing else said.
        let enforced = is("enabled") == Some(true) && is("admissionControlEnabled") != Some(false);
        let Some(config) = config.filter(|_| enforced) else {
            return Self::Off;
        };
        let Some(policy) = config.child("admissionControlPolicy") else {
            return Self::level(config);
        };
        match policy.xsi_type() {
            "ClusterFailoverResourcesAdmissionControlPolicy" => Self::Percent(Amount {
                cpu_mhz: percent(policy, "cpuFailoverResourcesPercent"),
                memory_mib: percent(policy, "memoryFailoverResourcesPercent"),
            }),
            "ClusterFailoverHostAdmissionControlPolicy" => {
                let hosts = policy.all("failoverHosts").filter_map(Element::moref);
                Self::Hosts(hosts.collect())
            }
            "ClusterFailoverLevelAdmissionControlPolicy" => Self::level(policy),
            // Newer than this program: nothing is known to be kept back.
            _ => Self::Off,
        }
    }

    fn level(config: &Element) -> Self {
        let level = config.i64("failoverLevel").unwrap_or_default();
        match usize::try_from(level) {
            Ok(0) | Err(_) => Self::Off,
            Ok(level) => Self::Level(level),
        }
    }

    /// What is kept back of `effective`, the sum of what these hosts offer.
    pub fn kept_back(&self, effective: Amount, hosts: &[(&Host, Amount)]) -> Amount {
        match self {
            Self::Off => Amount::default(),
            Self::Percent(percent) => effective.zip(*percent, |all, share| {
                // Rounded up: what is kept back is never less than was asked for.
                all.saturating_mul(share).saturating_add(99) / 100
            }),
            Self::Level(level) => Amount {
                cpu_mhz: largest(*level, hosts.iter().map(|(_, offer)| offer.cpu_mhz)),
                memory_mib: largest(*level, hosts.iter().map(|(_, offer)| offer.memory_mib)),
            },
            Self::Hosts(_) => {
                let kept = hosts.iter().filter(|(host, _)| self.keeps(&host.moref));
                kept.map(|(_, offer)| *offer).sum()
            }
        }
    }

    /// Whether this host runs nothing until others fail.
    pub fn keeps(&self, host: &MoRef) -> bool {
        matches!(self, Self::Hosts(kept) if kept.contains(host))
    }
}

fn percent(policy: &Element, path: &str) -> i64 {
    policy.i64(path).unwrap_or_default().clamp(0, 100)
}

/// The sum of the `count` largest. Not the same hosts need be largest in CPU and in memory: each may fail.
fn largest(count: usize, all: impl Iterator<Item = i64>) -> i64 {
    let mut all: Vec<_> = all.collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.into_iter().take(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::xml::Limits;

    fn read(inside: &str) -> Admission {
        let xml =
            format!(r#"<val xmlns:i="http://www.w3.org/2001/XMLSchema-instance">{inside}</val>"#);
        Admission::of(Some(
            &Element::parse(xml.as_bytes(), Limits::DEFAULT).expect("well-formed"),
        ))
    }

    fn amount(cpu_mhz: i64, memory_mib: i64) -> Amount {
        Amount {
            cpu_mhz,
            memory_mib,
        }
    }

    #[test]
    fn each_policy_of_ha_is_read() {
        const ON: &str =
            "<enabled>true</enabled><admissionControlEnabled>true</admissionControlEnabled>";
        let host = MoRef::new("HostSystem", "h-2");
        for (inside, expected) in [
            (String::new(), Admission::Off),
            (
                "<enabled>false</enabled><failoverLevel>1</failoverLevel>".into(),
                Admission::Off,
            ),
            (
                "<enabled>true</enabled><failoverLevel>1</failoverLevel>\
                 <admissionControlEnabled>false</admissionControlEnabled>"
                    .into(),
                Admission::Off,
            ),
            (
                "<enabled>true</enabled><failoverLevel>2</failoverLevel>".into(),
                Admission::Level(2),
            ),
            (
                format!(
                    "{ON}<admissionControlPolicy i:type=\"ClusterFailoverResourcesAdmissionControlPolicy\">\
                     <cpuFailoverResourcesPercent>25</cpuFailoverResourcesPercent>\
                     <memoryFailoverResourcesPercent>120</memoryFailoverResourcesPercent>\
                     </admissionControlPolicy>"
                ),
                Admission::Percent(amount(25, 100)),
            ),
            (
                format!(
                    "{ON}<admissionControlPolicy i:type=\"ClusterFailoverLevelAdmissionControlPolicy\">\
                     <failoverLevel>1</failoverLevel></admissionControlPolicy>"
                ),
                Admission::Level(1),
            ),
            (
                format!(
                    "{ON}<admissionControlPolicy i:type=\"ClusterFailoverHostAdmissionControlPolicy\">\
                     <failoverHosts type=\"HostSystem\">h-2</failoverHosts></admissionControlPolicy>"
                ),
                Admission::Hosts(vec![host]),
            ),
            (
                format!("{ON}<admissionControlPolicy i:type=\"ClusterNewPolicy\"/>"),
                Admission::Off,
            ),
        ] {
            assert_eq!(read(&inside), expected, "{inside}");
        }
    }

    #[test]
    fn what_is_kept_back_follows_the_policy() {
        let host = |id: &str| Host {
            moref: MoRef::new("HostSystem", id),
            ..Host::default()
        };
        let hosts = [host("h-1"), host("h-2"), host("h-3")];
        let offers = [amount(100, 900), amount(300, 200), amount(200, 300)];
        let hosts: Vec<_> = hosts.iter().zip(offers).collect();
        let effective = amount(600, 1_400);
        for (admission, expected) in [
            (Admission::Off, amount(0, 0)),
            (Admission::Percent(amount(25, 33)), amount(150, 462)),
            (Admission::Percent(amount(1, 1)), amount(6, 14)),
            (Admission::Percent(amount(0, 100)), amount(0, 1_400)),
            // The largest in CPU and the largest in memory are two hosts.
            (Admission::Level(1), amount(300, 900)),
            (Admission::Level(2), amount(500, 1_200)),
            (Admission::Level(9), effective),
            (
                Admission::Hosts(vec![MoRef::new("HostSystem", "h-3")]),
                amount(200, 300),
            ),
        ] {
            let kept = admission.kept_back(effective, &hosts);
            assert_eq!(kept, expected, "{admission:?}");
        }
    }
}
