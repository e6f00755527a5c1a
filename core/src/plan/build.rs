//! Builds the tree: what the manifest declares and what the schema says, laid over each other.

use std::sync::Arc;

use serde_json::Value;

use super::{
    declared::Declared,
    node::{ANY, Node, NodeId},
};
use crate::{
    pipeline::Pipeline,
    schema::{Part, Schema, SchemaError},
};

/// Past this many places the schema is checked by the `jsonschema` crate: references inside
/// references can unfold without end.
const MOST_NODES: usize = 20_000;

pub(super) fn build(pipeline: &Pipeline) -> Result<(Vec<Node>, NodeId), SchemaError> {
    let declared = Declared::new(pipeline);
    let schema = pipeline.event.schema.as_ref().map(Schema::new).transpose()?;
    let mut builder = Builder { nodes: vec![Node::any()], schema };
    let root = builder.schema.as_ref().map(Schema::root);
    let root = builder.place(Some(&declared), root, "")?;
    Ok((builder.nodes, root))
}

struct Builder<'a> {
    nodes: Vec<Node>,
    schema: Option<Schema<'a>>,
}

impl<'a> Builder<'a> {
    fn place(
        &mut self,
        declared: Option<&Declared>,
        schema: Option<&'a Value>,
        path: &str,
    ) -> Result<NodeId, SchemaError> {
        let part = match (&self.schema, schema) {
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
        let mut keys = Vec::with_capacity(names.len());
        for name in &names {
            let inner = declared.and_then(|declared| declared.keys.get(*name));
            let said = part.properties.iter().find(|(known, _)| known == name).map(|(_, schema)| *schema);
            let child = self.place(inner, said.or(part.additional), &format!("{path}/{}", escape(name)))?;
            keys.push(((*name).into(), child));
        }
        let other = self.place(None, part.additional, &format!("{path}/*"))?;
        let each = declared.and_then(|declared| declared.each.as_deref());
        let each = self.place(each, part.items, &format!("{path}/*"))?;
        let required = part.required.iter().filter_map(|name| names.iter().position(|known| known == name));

        self.nodes[id as usize] = Node {
            path: Arc::from(path),
            required: required.map(|at| at as u16).collect(),
            keys: keys.into(),
            other,
            each,
            field: declared.and_then(|declared| declared.field),
            slots: declared.map(|declared| declared.slots.clone().into()).unwrap_or_default(),
            holds: declared.is_some_and(Declared::holds),
            checks: part.checks,
        };
        Ok(id)
    }
}

/// Every member that is named: those of the schema first, in its order.
fn names<'n>(declared: Option<&'n Declared>, part: &Part<'n>) -> Vec<&'n str> {
    let mut names: Vec<&str> = Vec::new();
    let properties = part.properties.iter().map(|(name, _)| *name);
    let order = declared.into_iter().flat_map(|declared| declared.order.iter().map(String::as_str));
    for name in properties.chain(part.required.iter().copied()).chain(order) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
