//! Compares an object in the cluster with what is wanted. It may have more than that: defaults of
//! the API server, and fields of other clients. Pure.

use serde_json::{Map, Value};

/// Returns whether `live` has everything that `wanted` has.
pub fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => has_members(live, wanted),
        (Value::Array(live), Value::Array(wanted)) => has_items(live, wanted),
        (live, wanted) => live == wanted || is_same_quantity(live, wanted),
    }
}

fn has_members(live: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(key, wanted)| match live.get(key) {
        Some(live) => holds(live, wanted),
        // The API server drops empty members.
        None => is_empty(wanted),
    })
}

/// Lists whose items have a name or UID may have more items; other lists must be equal.
fn has_items(live: &[Value], wanted: &[Value]) -> bool {
    let key =
        ["name", "uid"].into_iter().find(|key| !wanted.is_empty() && wanted.iter().all(|item| item[key].is_string()));
    match key {
        Some(key) => wanted
            .iter()
            .all(|wanted| live.iter().find(|live| live[key] == wanted[key]).is_some_and(|live| holds(live, wanted))),
        None => live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| holds(live, wanted)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns whether both are the same quantity: the API server writes `1000m` as `1`.
fn is_same_quantity(live: &Value, wanted: &Value) -> bool {
    let (Some(live), Some(wanted)) = (live.as_str(), wanted.as_str()) else { return false };
    matches!((quantity(live), quantity(wanted)), (Some(live), Some(wanted)) if (live - wanted).abs() <= 1e-9 * live.abs())
}

/// Parses a quantity of Kubernetes: a number with a suffix or an exponent.
fn quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    let scaled =
        SUFFIXES.iter().find_map(|(suffix, scale)| Some(text.strip_suffix(suffix)?.parse::<f64>().ok()? * scale));
    scaled.or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn additions_by_others_are_ignored_and_changes_are_not() {
        let wanted = json!({"spec": {"replicas": 2, "containers": [{"name": "worker", "args": ["run", "-f"]}]}});
        let defaulted = json!({"spec": {"replicas": 2, "progressDeadlineSeconds": 600,
            "containers": [{"name": "sidecar"}, {"name": "worker", "args": ["run", "-f"], "imagePullPolicy": "Always"}]}});
        assert!(holds(&defaulted, &wanted));
        for changed in [
            json!({"spec": {"replicas": 3, "containers": [{"name": "worker", "args": ["run", "-f"]}]}}),
            json!({"spec": {"replicas": 2, "containers": [{"name": "worker", "args": ["run", "-f", "x"]}]}}),
            json!({"spec": {"replicas": 2, "containers": [{"name": "sidecar"}]}}),
            json!({"spec": {"replicas": 2}}),
        ] {
            assert!(!holds(&changed, &wanted), "{changed}");
        }
    }

    #[test]
    fn quantities_are_compared_as_numbers_and_names_as_text() {
        for (live, wanted) in [("1", "1000m"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("500m", "0.5")] {
            assert!(holds(&json!(live), &json!(wanted)), "{live} {wanted}");
        }
        for (live, wanted) in [("1", "1001m"), ("1G", "1Gi"), ("a", "b"), ("worker", "Worker")] {
            assert!(!holds(&json!(live), &json!(wanted)), "{live} {wanted}");
        }
    }

    #[test]
    fn an_empty_member_may_be_absent() {
        assert!(holds(&json!({}), &json!({"labels": {}, "tolerations": [], "affinity": null})));
        assert!(!holds(&json!({}), &json!({"labels": {"a": "b"}})));
    }
}
