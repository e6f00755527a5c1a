//! The kinds of objects that tests use, by the names that kubectl has for them.

use kube::api::{ApiResource, GroupVersionKind};

/// Name as kubectl takes it, API group, version, kind, plural name, and whether an object is in a
/// namespace.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, bool);

const KINDS: [Row; 18] = [
    ("clusterrole", "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false),
    ("configmap", "", "v1", "ConfigMap", "configmaps", true),
    ("crd", "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("datastore", "lethe.dev", "v1alpha1", "DataStore", "datastores", true),
    ("deployment", "apps", "v1", "Deployment", "deployments", true),
    ("event", "", "v1", "Event", "events", true),
    ("namespace", "", "v1", "Namespace", "namespaces", false),
    ("networkpolicy", "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true),
    ("pod", "", "v1", "Pod", "pods", true),
    ("poddisruptionbudget", "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("profilepipeline", "lethe.dev", "v1alpha1", "ProfilePipeline", "profilepipelines", true),
    ("role", "rbac.authorization.k8s.io", "v1", "Role", "roles", true),
    ("rolebinding", "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true),
    ("secret", "", "v1", "Secret", "secrets", true),
    ("service", "", "v1", "Service", "services", true),
    ("serviceaccount", "", "v1", "ServiceAccount", "serviceaccounts", true),
    ("lease", "coordination.k8s.io", "v1", "Lease", "leases", true),
    ("replicaset", "apps", "v1", "ReplicaSet", "replicasets", true),
];

/// A kind, and whether its objects are in a namespace.
pub struct Kind {
    pub resource: ApiResource,
    pub is_namespaced: bool,
}

/// Returns the kind of this name: `deployment`, or `Deployment` as in a manifest.
#[track_caller]
pub fn kind(name: &str) -> Kind {
    let row = KINDS.iter().find(|row| row.0 == name || row.3 == name);
    let (_, group, version, kind, plural, is_namespaced) = row.unwrap_or_else(|| panic!("add {name:?} to KINDS"));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    Kind { resource, is_namespaced: *is_namespaced }
}
