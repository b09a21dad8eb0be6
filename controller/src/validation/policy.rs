//! The table as a `ValidatingAdmissionPolicy`, which refuses a broken spec when it is applied.

use super::{RULES, Rule};
use crate::crd::{GROUP, VMwareNodePoolTemplate};
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation,
};
use kube::{Resource as _, api::ObjectMeta};

/// Only a changed spec is looked at: an object that was stored before can always lose its finalizer.
const SPEC_CHANGED: &str = "request.operation == 'CREATE' || object.spec != oldObject.spec";

/// The policy.
pub fn policy() -> ValidatingAdmissionPolicy {
    let rule = NamedRuleWithOperations {
        api_groups: Some(vec![GROUP.into()]),
        api_versions: Some(vec!["*".into()]),
        operations: Some(vec!["CREATE".into(), "UPDATE".into()]),
        resources: Some(vec![VMwareNodePoolTemplate::plural(&()).into()]),
        scope: Some("Namespaced".into()),
        ..NamedRuleWithOperations::default()
    };
    ValidatingAdmissionPolicy {
        metadata: named(),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".into()),
            match_constraints: Some(MatchResources {
                match_policy: Some("Equivalent".into()),
                resource_rules: Some(vec![rule]),
                ..MatchResources::default()
            }),
            match_conditions: Some(vec![MatchCondition {
                name: "spec-changed".into(),
                expression: SPEC_CHANGED.into(),
            }]),
            validations: Some(RULES.iter().map(validation).collect()),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        ..ValidatingAdmissionPolicy::default()
    }
}

/// Puts the policy into force for all namespaces.
pub fn binding() -> ValidatingAdmissionPolicyBinding {
    ValidatingAdmissionPolicyBinding {
        metadata: named(),
        spec: ValidatingAdmissionPolicyBindingSpec {
            policy_name: name(),
            validation_actions: vec!["Deny".into()],
            ..ValidatingAdmissionPolicyBindingSpec::default()
        },
    }
}

fn validation(rule: &Rule) -> Validation {
    Validation {
        expression: rule.cel(),
        message: Some(rule.text()),
        reason: Some("Invalid".into()),
        ..Validation::default()
    }
}

fn named() -> ObjectMeta {
    ObjectMeta {
        name: Some(name()),
        ..ObjectMeta::default()
    }
}

fn name() -> String {
    format!("vmwarenodepooltemplates.{GROUP}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validation::tests::{broken, harmless, merged};
    use kube_cel::{AdmissionRequest, VapEvaluator, VapExpression};
    use serde_json::{Value, json};

    /// The messages of the expressions that refuse this spec.
    fn refusals(spec: &Value) -> Vec<String> {
        let request = AdmissionRequest {
            operation: "CREATE".into(),
            namespace: "clusters".into(),
            ..AdmissionRequest::default()
        };
        let evaluator = VapEvaluator::builder()
            .object(json!({"metadata": {"namespace": "clusters"}, "spec": spec}))
            .request(request)
            .build();
        let expressions: Vec<_> = RULES
            .iter()
            .map(|rule| VapExpression {
                expression: rule.cel(),
                message: Some(rule.text()),
                message_expression: None,
            })
            .collect();
        let results = evaluator.evaluate(&expressions);
        let refused = results.into_iter().filter(|result| !result.passed);
        refused.map(|result| format!("{result:?}")).collect()
    }

    #[test]
    fn the_policy_refuses_what_the_controller_refuses() {
        // The evaluator shows the keys of every map escaped, as the API server does not.
        let escaped =
            |field: &str| ["vmTemplate.extraConfig", "agentLabelSelector"].contains(&field);
        for (change, field) in broken().into_iter().filter(|row| !escaped(row.1)) {
            let refused = refusals(&merged(&change));
            assert_eq!(refused.len(), 1, "{change}: {refused:?}");
            assert!(
                refused[0].contains(&format!("spec.{field} must")),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn the_policy_admits_what_the_controller_admits() {
        for change in harmless() {
            assert_eq!(refusals(&merged(&change)), Vec::<String>::new(), "{change}");
        }
    }
}
