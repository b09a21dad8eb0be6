//! What series are told apart by.

use crate::healing::Stage;
use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct WatchLabels {
    pub(super) secret: String,
    pub(super) namespace: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct Template {
    pub(super) name: String,
    pub(super) namespace: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ConditionLabels {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) condition: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct PhaseLabels {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) phase: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ResourceLabels {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) resource_type: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct StageLabels {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) stage: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ReconcileLabels {
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct FaultLabels {
    pub(super) reason: &'static str,
}

pub(super) fn template(namespace: &str, name: &str) -> Template {
    Template {
        name: name.into(),
        namespace: namespace.into(),
    }
}

pub(super) fn condition_labels(template: &Template, condition: &str) -> ConditionLabels {
    let Template { name, namespace } = template.clone();
    ConditionLabels {
        name,
        namespace,
        condition: condition.into(),
    }
}

pub(super) fn stage_labels(template: &Template, stage: Stage) -> StageLabels {
    let Template { name, namespace } = template.clone();
    StageLabels {
        name,
        namespace,
        stage: stage.word(),
    }
}

pub(super) fn phase_labels(template: &Template, phase: &'static str) -> PhaseLabels {
    let Template { name, namespace } = template.clone();
    PhaseLabels {
        name,
        namespace,
        phase,
    }
}

pub(super) fn resource_labels(template: &Template, resource_type: &'static str) -> ResourceLabels {
    let Template { name, namespace } = template.clone();
    ResourceLabels {
        name,
        namespace,
        resource_type,
    }
}
