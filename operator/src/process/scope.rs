//! Which namespaces are watched.

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

/// One view of the cluster: everything, or one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Every namespace.
    Cluster,
    /// This one.
    Namespace(String),
}

impl View {
    /// The views of a list of namespaces; of an empty one, the whole cluster.
    pub fn of(namespaces: &[String]) -> Vec<Self> {
        let mut views: Vec<Self> = namespaces.iter().cloned().map(View::Namespace).collect();
        views.dedup();
        if views.is_empty() {
            views.push(View::Cluster);
        }
        views
    }

    /// The objects of a kind in this view.
    pub fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match self {
            View::Cluster => Api::all(client.clone()),
            View::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_namespace_is_every_namespace() {
        assert_eq!(View::of(&[]), [View::Cluster]);
        assert_eq!(View::of(&["shop".to_owned(), "shop".to_owned()]), [View::Namespace("shop".to_owned())]);
    }
}
