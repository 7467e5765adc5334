//! Wires guest, types adapter and `run` into one component.

use anyhow::{Context, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

use crate::inspect::{HANDLER, is_wasi_02};

static TYPES: &[u8] = include_bytes!(env!("WASMDEPLOY_TYPES"));
static RUN: &[u8] = include_bytes!(env!("WASMDEPLOY_RUN"));

/// What the adapter offers the guest in the host's place.
const ADAPTED: [&str; 6] = [
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:filesystem/preopens",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
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
        let Some(interface) = ADAPTED.iter().find(|interface| is_wasi_02(&import, interface)) else {
            continue;
        };
        let export = export(&mut graph, types, types_instance, |name| is_wasi_02(name, interface))?;
        graph
            .set_instantiation_argument(guest_instance, &import, export)
            .with_context(|| format!("the guest's import {import} does not fit WASI 0.2"))?;
    }
    for import in imports(&graph, run) {
        let export = if is_wasi_02(&import, HANDLER) {
            export(&mut graph, guest, guest_instance, |name| is_wasi_02(name, HANDLER))?
        } else {
            export(&mut graph, types, types_instance, |name| name == import)?
        };
        graph
            .set_instantiation_argument(run_instance, &import, export)
            .with_context(|| format!("the guest's export {HANDLER} does not fit WASI 0.2"))?;
    }
    for name in exports(&graph, run) {
        let export = graph.alias_instance_export(run_instance, &name)?;
        graph.export(export, &name)?;
    }
    graph.encode(EncodeOptions::default()).context("the guest and the adapter do not fit together")
}

/// Aliases the first export of an instance whose name is wanted.
fn export(
    graph: &mut CompositionGraph,
    package: PackageId,
    instance: NodeId,
    wanted: impl Fn(&str) -> bool,
) -> Result<NodeId> {
    let exports = exports(graph, package);
    let name = exports.iter().find(|name| wanted(name)).context("the adapter lacks an interface")?;
    Ok(graph.alias_instance_export(instance, name)?)
}

fn package(graph: &mut CompositionGraph, name: &str, bytes: Vec<u8>) -> Result<PackageId> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut()).context("invalid component")?;
    Ok(graph.register_package(package)?)
}

fn imports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    graph.types()[graph[package].ty()].imports.keys().cloned().collect()
}

fn exports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    graph.types()[graph[package].ty()].exports.keys().cloned().collect()
}
