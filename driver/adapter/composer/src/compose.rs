//! Wires guest, types adapter and `run` into one component, with what a guest of Spin 1 needs between them, and puts
//! the adapter's clock in front of the host's, and its sockets for a guest that may open some.

use anyhow::{Context, Result, bail};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

use crate::inspect::{COMMAND, HANDLER, SPIN_HANDLER, is_wasi_02};

static TYPES: &[u8] = include_bytes!(env!("WASMDEPLOY_TYPES"));
static RUN: &[u8] = include_bytes!(env!("WASMDEPLOY_RUN"));
static INBOUND: &[u8] = include_bytes!(env!("WASMDEPLOY_INBOUND"));
static OUTBOUND: &[u8] = include_bytes!(env!("WASMDEPLOY_OUTBOUND"));
static SOCKETS: &[u8] = include_bytes!(env!("WASMDEPLOY_SOCKETS"));
static CLOCKS: &[u8] = include_bytes!(env!("WASMDEPLOY_CLOCKS"));

/// Outgoing requests of guests of Spin 1.
const SPIN_HTTP: &str = "fermyon:spin/http";

const NATIVE_SOCKETS: &str = "wasi:sockets/";

/// The clock that a guest may wait for.
const CLOCK: &str = "wasi:clocks/monotonic-clock";

/// What the adapter offers the guest in the host's place.
const ADAPTED: [&str; 6] = [
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:filesystem/preopens",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
];

/// An instance, and the package that tells what it imports and exports.
#[derive(Clone, Copy)]
struct Part {
    package: PackageId,
    instance: NodeId,
}

/// Returns the guest as a command; imports the adapter does not provide stay imports of the result.
pub fn compose(guest: Vec<u8>, sockets: bool) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let types = part(&mut graph, "wasmdeploy:types", TYPES.to_vec())?;
    let guest = part(&mut graph, "wasmdeploy:guest", guest)?;
    let run = part(&mut graph, "wasmdeploy:run", RUN.to_vec())?;

    adapt(&mut graph, guest, types)?;
    limit(&mut graph, guest)?;
    if sockets {
        guard(&mut graph, guest)?;
    }
    if imports(&graph, guest.package).iter().any(|name| name == SPIN_HTTP) {
        let outbound = part(&mut graph, "wasmdeploy:outbound", OUTBOUND.to_vec())?;
        adapt(&mut graph, outbound, types)?;
        connect(&mut graph, guest, SPIN_HTTP, outbound, |name| name == SPIN_HTTP)
            .context("the guest's import fermyon:spin/http is not Spin's")?;
    }
    let handler = handler(&mut graph, guest, types)?;
    for import in imports(&graph, run.package) {
        if is_wasi_02(&import, HANDLER) {
            connect(&mut graph, run, &import, handler, |name| is_wasi_02(name, HANDLER))
                .with_context(|| format!("the guest's export {HANDLER} does not fit WASI 0.2"))?;
        } else {
            connect(&mut graph, run, &import, types, |name| name == import)?;
        }
    }
    for name in exports(&graph, run.package) {
        let export = graph.alias_instance_export(run.instance, &name)?;
        graph.export(export, &name)?;
    }
    encode(&graph)
}

/// Returns a guest that is a command, with the adapter's sockets.
pub fn compose_command(guest: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let guest = part(&mut graph, "wasmdeploy:guest", guest)?;
    guard(&mut graph, guest)?;
    for name in exports(&graph, guest.package) {
        if is_wasi_02(&name, COMMAND) {
            let export = graph.alias_instance_export(guest.instance, &name)?;
            graph.export(export, &name)?;
        }
    }
    encode(&graph)
}

/// Gives the guest the adapter's sockets in the place of the host's, of which nothing must be left.
fn guard(graph: &mut CompositionGraph, guest: Part) -> Result<()> {
    let sockets = part(graph, "wasmdeploy:sockets", SOCKETS.to_vec())?;
    let offered = exports(graph, sockets.package);
    for import in imports(graph, guest.package).iter().filter(|name| name.starts_with(NATIVE_SOCKETS)) {
        let fits =
            |export: &&String| matches!(export.split_once('@'), Some((it, _)) if is_wasi_02(import, it));
        let Some(export) = offered.iter().find(fits) else {
            bail!("the guest's import {import} is none of WASI 0.2");
        };
        connect(graph, guest, import, sockets, |name| name == export)
            .with_context(|| format!("the guest's import {import} does not fit WASI 0.2"))?;
    }
    Ok(())
}

/// Gives a guest that waits for the clock the adapter's, which lets it wait for as long as its request has left.
fn limit(graph: &mut CompositionGraph, guest: Part) -> Result<()> {
    let clock = |name: &str| is_wasi_02(name, CLOCK);
    let imported: Vec<_> = imports(graph, guest.package).into_iter().filter(|name| clock(name)).collect();
    if imported.is_empty() {
        return Ok(());
    }
    let clocks = part(graph, "wasmdeploy:clocks", CLOCKS.to_vec())?;
    for import in imported {
        connect(graph, guest, &import, clocks, clock)
            .with_context(|| format!("the guest's import {import} does not fit WASI 0.2"))?;
    }
    Ok(())
}

/// Returns what exports wasi:http's handler: the guest, or the adapter in front of a guest of Spin 1.
fn handler(graph: &mut CompositionGraph, guest: Part, types: Part) -> Result<Part> {
    if exports(graph, guest.package).iter().any(|name| is_wasi_02(name, HANDLER)) {
        return Ok(guest);
    }
    let inbound = part(graph, "wasmdeploy:inbound", INBOUND.to_vec())?;
    adapt(graph, inbound, types)?;
    connect(graph, inbound, SPIN_HANDLER, guest, |name| name == SPIN_HANDLER)
        .context("the guest's export fermyon:spin/inbound-http is not Spin's")?;
    Ok(inbound)
}

/// Gives a part the adapter's interfaces in the host's place.
fn adapt(graph: &mut CompositionGraph, part: Part, types: Part) -> Result<()> {
    for import in imports(graph, part.package) {
        if let Some(interface) = ADAPTED.iter().find(|interface| is_wasi_02(&import, interface)) {
            connect(graph, part, &import, types, |name| is_wasi_02(name, interface))
                .with_context(|| format!("the guest's import {import} does not fit WASI 0.2"))?;
        }
    }
    Ok(())
}

/// Satisfies an import with the first export of another part whose name is wanted.
fn connect(
    graph: &mut CompositionGraph,
    part: Part,
    import: &str,
    other: Part,
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let exports = exports(graph, other.package);
    let name = exports.iter().find(|name| wanted(name)).context("the adapter lacks an interface")?;
    let export = graph.alias_instance_export(other.instance, name)?;
    Ok(graph.set_instantiation_argument(part.instance, import, export)?)
}

fn encode(graph: &CompositionGraph) -> Result<Vec<u8>> {
    graph.encode(EncodeOptions::default()).context("the guest and the adapter do not fit together")
}

fn part(graph: &mut CompositionGraph, name: &str, bytes: Vec<u8>) -> Result<Part> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut()).context("invalid component")?;
    let package = graph.register_package(package)?;
    Ok(Part { package, instance: graph.instantiate(package) })
}

fn imports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    graph.types()[graph[package].ty()].imports.keys().cloned().collect()
}

fn exports(graph: &CompositionGraph, package: PackageId) -> Vec<String> {
    graph.types()[graph[package].ty()].exports.keys().cloned().collect()
}
