//! Wires guest, types adapter and `run` into one component.

use anyhow::{Context, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

use crate::inspect::HANDLER;

static TYPES: &[u8] = include_bytes!(env!("WASMDEPLOY_TYPES"));
static RUN: &[u8] = include_bytes!(env!("WASMDEPLOY_RUN"));

/// What the adapter offers in the host's place: never the guest's export of the same name.
const ADAPTED: [&str; 6] = [
    "wasi:cli/stdin@0.2.",
    "wasi:cli/stdout@0.2.",
    "wasi:cli/stderr@0.2.",
    "wasi:filesystem/preopens@0.2.",
    "wasi:http/types@0.2.",
    "wasi:http/outgoing-handler@0.2.",
];

/// Returns the guest as a command; imports the adapter does not provide stay imports of the result.
pub fn compose(guest: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let types = package(&mut graph, "wasmdeploy:types", TYPES.to_vec())?;
    let run = package(&mut graph, "wasmdeploy:run", RUN.to_vec())?;
    let guest = package(&mut graph, "wasmdeploy:guest", guest)?;

    let types_instance = graph.instantiate(types);
    let guest_instance = graph.instantiate(guest);
    let run_instance = graph.instantiate(run);

    for import in imports(&graph, guest) {
        if let Some(prefix) = ADAPTED.iter().find(|prefix| import.starts_with(**prefix)) {
            let export = export(&mut graph, types, types_instance, prefix)?;
            graph
                .set_instantiation_argument(guest_instance, &import, export)
                .with_context(|| format!("the guest's import {import} does not fit WASI 0.2"))?;
        }
    }
    for import in imports(&graph, run) {
        let export = if import.starts_with(HANDLER) {
            export(&mut graph, guest, guest_instance, HANDLER)?
        } else {
            export(&mut graph, types, types_instance, &import)?
        };
        graph
            .set_instantiation_argument(run_instance, &import, export)
            .with_context(|| format!("the guest's {import} does not fit WASI 0.2"))?;
    }
    for name in exports(&graph, run) {
        let export = graph.alias_instance_export(run_instance, &name)?;
        graph.export(export, &name)?;
    }
    graph.encode(EncodeOptions::default()).context("the guest and the adapter do not fit together")
}

fn package(graph: &mut CompositionGraph, name: &str, bytes: Vec<u8>) -> Result<PackageId> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut()).context("invalid component")?;
    Ok(graph.register_package(package)?)
}

/// Aliases the one export of an instance whose name starts with `prefix`.
fn export(graph: &mut CompositionGraph, package: PackageId, instance: NodeId, prefix: &str) -> Result<NodeId> {
    let name = exports(graph, package)
        .into_iter()
        .find(|name| name.starts_with(prefix))
        .with_context(|| format!("nothing exports {prefix}"))?;
    Ok(graph.alias_instance_export(instance, &name)?)
}

fn imports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    graph.types()[graph[package].ty()].imports.keys().cloned().collect()
}

fn exports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    graph.types()[graph[package].ty()].exports.keys().cloned().collect()
}
