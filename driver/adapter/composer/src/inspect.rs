//! Says in plain words why a file cannot be composed, before the composition graph sees it.

use anyhow::{Context, Result, bail};
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// The interface that makes a component a web app, and the one that did for Spin 1.
pub const HANDLER: &str = "wasi:http/incoming-handler";
pub const SPIN_HANDLER: &str = "fermyon:spin/inbound-http";

/// Tells whether a name is that of an interface at a released version of WASI 0.2.
pub fn is_wasi_02(name: &str, interface: &str) -> bool {
    let patch = name.strip_prefix(interface).and_then(|version| version.strip_prefix("@0.2."));
    patch.is_some_and(|patch| patch.parse::<u32>().is_ok())
}

/// Refuses what is not a WASI 0.2 component that exports `wasi:http/incoming-handler`, or Spin 1's handler.
pub fn check(guest: &[u8]) -> Result<()> {
    if !guest.starts_with(b"\0asm") {
        bail!("not a component: this is not WebAssembly");
    }
    let names = names(guest)?;
    if let Some(name) = names.all().find(|name| is_wasi_03(name)) {
        bail!("a WASI 0.3 component ({name}): only WASI 0.2 components can be run in-process");
    }
    if names.exports.iter().any(|name| is_wasi_02(name, HANDLER) || name == SPIN_HANDLER) {
        return Ok(());
    }
    let exports = match names.exports.as_slice() {
        [] => "nothing".to_owned(),
        exports => exports.join(", "),
    };
    bail!("no wasi:http/incoming-handler@0.2 export: the component exports {exports}");
}

#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Names {
    fn all(&self) -> impl Iterator<Item = &String> {
        self.imports.iter().chain(&self.exports)
    }
}

/// Collects what the outermost component imports and exports.
fn names(guest: &[u8]) -> Result<Names> {
    let mut names = Names::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(guest) {
        match payload.context("damaged WebAssembly")? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding == Encoding::Module {
                    bail!("not a component: this is a core module");
                }
                depth += 1;
            }
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    names.imports.push(import.context("damaged WebAssembly")?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.context("damaged WebAssembly")?;
                    if export.kind != ComponentExternalKind::Type {
                        names.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

fn is_wasi_03(name: &str) -> bool {
    name.strip_prefix("wasi:")
        .and_then(|rest| rest.rsplit_once('@'))
        .is_some_and(|(_, version)| version == "0.3" || version.starts_with("0.3."))
}
