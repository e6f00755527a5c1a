//! The namespaces that are watched.

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

/// A view of the cluster: all namespaces, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Every namespace.
    Cluster,
    /// One namespace.
    Namespace(String),
}

impl View {
    /// Returns one view per namespace of the list; for an empty list, the whole cluster.
    pub fn of(namespaces: &[String]) -> Vec<Self> {
        let mut views: Vec<Self> = namespaces.iter().cloned().map(View::Namespace).collect();
        views.dedup();
        if views.is_empty() {
            views.push(View::Cluster);
        }
        views
    }

    /// Returns the API of a kind in this view.
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
    fn an_empty_list_is_every_namespace_and_a_repeated_one_is_watched_once() {
        assert_eq!(View::of(&[]), [View::Cluster]);
        assert_eq!(View::of(&["shop".to_owned(), "shop".to_owned()]), [View::Namespace("shop".to_owned())]);
    }
}
