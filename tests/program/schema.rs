//! `docs/events.schema.json`, as an independent validator understands it.

use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

/// Text of the schema.
pub(super) const TEXT: &str = include_str!("../../docs/events.schema.json");

static COMPILED: LazyLock<(Schemas, SchemaIndex)> = LazyLock::new(|| {
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    compiler.enable_format_assertions();
    compiler.add_resource("events.schema.json", serde_json::from_str(TEXT).unwrap()).unwrap();
    let mut schemas = Schemas::new();
    // This also checks the schema against the metaschema of its draft.
    let index = compiler.compile("events.schema.json", &mut schemas).unwrap_or_else(|why| panic!("{why:#}"));
    (schemas, index)
});

/// Returns the reasons why an event does not match the schema.
pub(super) fn check(event: &Value) -> Result<(), String> {
    let (schemas, index) = &*COMPILED;
    schemas.validate(event, *index).map_err(|why| format!("{event}: {why:#}"))
}

/// Panics if an event does not match the schema.
pub(super) fn hold(event: &Value) {
    check(event).unwrap_or_else(|why| panic!("docs/events.schema.json refuses {why}"));
}
