//! A pipeline compiled for the walk: schema and manifest in one tree, so that each member of an
//! event is looked up once.

mod build;
mod declared;
mod node;

pub(crate) use node::{ANY, Node, NodeId, Slot};

use lethe_crds::profile_pipeline::Undeclared;

use crate::{
    pipeline::{Pipeline, ProtectRules},
    schema::SchemaError,
};

/// A pipeline compiled for the walk.
pub struct Plan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
    /// What the walk does with each field.
    pub(crate) fields: Vec<FieldUse>,
    pub(crate) undeclared: Undeclared,
}

/// What the walk does with a declared field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldUse {
    /// It is not written.
    Drop,
    /// Its text is copied.
    Copy,
    /// It is cleaned or protected.
    Change,
}

impl Plan {
    /// Compiles a checked pipeline.
    pub fn new(pipeline: &Pipeline) -> Result<Self, SchemaError> {
        let fields: Vec<FieldUse> = pipeline
            .fields
            .iter()
            .map(|field| match field.protect {
                ProtectRules::Drop => FieldUse::Drop,
                ProtectRules::Keep if field.clean.is_empty() => FieldUse::Copy,
                _ => FieldUse::Change,
            })
            .collect();
        let (nodes, root) = build::build(pipeline, &fields)?;
        Ok(Self { nodes, root, fields, undeclared: pipeline.event.undeclared })
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }
}
