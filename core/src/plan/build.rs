//! Builds the tree from what the manifest declares and what the schema says.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    FieldUse,
    declared::Declared,
    node::{ANY, Keys, Node, NodeId},
};
use crate::{
    pipeline::Pipeline,
    schema::{Part, Schema, SchemaError},
    walk::MAX_DEPTH,
};

/// A schema with more places than this is checked by the `jsonschema` crate: references inside
/// references can unfold without end.
const MOST_NODES: usize = 20_000;

pub(super) fn build(pipeline: &Pipeline, fields: &[FieldUse]) -> Result<(Vec<Node>, NodeId), SchemaError> {
    let declared = Declared::new(pipeline);
    let schema = pipeline.event.schema.as_ref().map(Schema::new).transpose()?;
    let mut builder = Builder { nodes: vec![Node::any()], schema, fields };
    let root = builder.schema.as_ref().map(Schema::root);
    let root = builder.place(Some(&declared), root, "", 0)?;
    Ok((builder.nodes, root))
}

struct Builder<'a> {
    nodes: Vec<Node>,
    schema: Option<Schema<'a>>,
    fields: &'a [FieldUse],
}

impl<'a> Builder<'a> {
    fn place(
        &mut self,
        declared: Option<&Declared>,
        schema: Option<&'a Value>,
        path: &str,
        depth: u32,
    ) -> Result<NodeId, SchemaError> {
        // No event has a value at this depth.
        if depth > MAX_DEPTH {
            return Ok(ANY);
        }
        let part = match (&mut self.schema, schema) {
            (Some(whole), Some(schema)) if self.nodes.len() < MOST_NODES => whole.part(schema)?,
            (Some(whole), Some(schema)) => whole.rest(schema)?,
            _ => Part::default(),
        };
        if declared.is_none() && part.is_empty() {
            return Ok(ANY);
        }
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node::any());

        let names = names(declared, &part);
        let properties: HashMap<&str, &'a Value> = part.properties.iter().copied().collect();
        let mut keys = Vec::with_capacity(names.len());
        for name in &names {
            let inner = declared.and_then(|declared| declared.keys.get(*name));
            let subschema = properties.get(name).copied().or(part.additional);
            let child = self.place(inner, subschema, &format!("{path}/{}", escape(name)), depth + 1)?;
            keys.push(((*name).into(), child));
        }
        let other = self.place(None, part.additional, &format!("{path}/*"), depth + 1)?;
        let each = declared.and_then(|declared| declared.each.as_deref());
        let each = self.place(each, part.items, &format!("{path}/*"), depth + 1)?;
        let places: HashMap<&str, u32> = names.iter().copied().zip(0..).collect();
        let required = part.required.iter().filter_map(|name| places.get(name).copied());

        self.nodes[id as usize] = Node {
            path: Arc::from(path),
            required: required.collect(),
            keys: Keys::new(keys),
            other,
            each,
            field: declared.and_then(|declared| declared.field),
            slots: declared.map(|declared| declared.slots.clone().into()).unwrap_or_default(),
            members: declared.is_some_and(|declared| !declared.keys.is_empty()),
            elements: declared.is_some_and(|declared| declared.each.is_some()),
            guards: declared.is_some_and(|declared| declared.guards(self.fields)),
            checks: part.checks,
        };
        Ok(id)
    }
}

/// Returns every named member: those of the schema first, in its order.
fn names<'n>(declared: Option<&'n Declared>, part: &Part<'n>) -> Vec<&'n str> {
    let mut known = HashSet::new();
    let properties = part.properties.iter().map(|(name, _)| *name);
    let order = declared.into_iter().flat_map(|declared| declared.order.iter().map(String::as_str));
    properties.chain(part.required.iter().copied()).chain(order).filter(|name| known.insert(*name)).collect()
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use serde_json::{Map, json};

    use crate::{pipeline::tests::sample, plan::Plan};

    /// Schemas that unfold without end, each in its own way, still compile.
    #[test]
    fn a_hostile_schema_compiles_within_seconds() {
        let link = |next: usize| json!({"properties": {"a": {"$ref": format!("#/$defs/d{next}")}}});
        let chain: Map<_, _> = (0..1_000).map(|at| (format!("d{at}"), link(at + 1))).collect();
        let fan = |next: usize| {
            let reference = json!({"$ref": format!("#/$defs/d{next}")});
            json!({"properties": {"a": reference, "b": reference, "c": {"anyOf": [reference, false]}}})
        };
        let fans: Map<_, _> = (0..40).map(|at| (format!("d{at}"), fan(at + 1))).collect();
        let one_of_many = |at: usize| (format!("m{at}"), json!({"anyOf": [{"type": "string"}, {"type": "null"}]}));
        let wide: Map<_, _> = (0..3_000).map(one_of_many).collect();
        for mut schema in [json!({"$defs": chain}), json!({"$defs": fans}), json!({"properties": wide})] {
            for end in [40, 1_000] {
                if schema["$defs"].get(format!("d{}", end - 1)).is_some() {
                    schema["$defs"][format!("d{end}")] = json!({"type": "string"});
                    schema["properties"] = json!({"a": {"$ref": "#/$defs/d0"}});
                }
            }
            let mut pipeline = sample::pipeline();
            pipeline.event.schema = Some(schema);
            let start = Instant::now();
            Plan::new(&pipeline).unwrap();
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        }
    }
}
