//! Says in plain words why a file cannot be composed, before the composition graph sees it.

use anyhow::{Context, Result, bail};
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// The interface that makes a component a web app, and the one that did for Spin 1.
pub const HANDLER: &str = "wasi:http/incoming-handler";
pub const SPIN_HANDLER: &str = "fermyon:spin/inbound-http";
/// The interface that makes a component a command.
pub const COMMAND: &str = "wasi:cli/run";

/// What the parts of the adapter tell each other, and the host.
const OURS: &str = "wasmdeploy:";

/// Tells whether a name is that of an interface at a released version of WASI 0.2.
///
/// Versions are read as a host reads them, which takes each of these for its own: whatever number stands behind 0.2,
/// and whatever build is named. A guest must not get past the adapter by a version that the adapter does not know.
pub fn is_wasi_02(name: &str, interface: &str) -> bool {
    let version = name.strip_prefix(interface).and_then(|version| version.strip_prefix("@0.2."));
    let patch = version.and_then(|version| version.split('+').next());
    patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Refuses what is not a WASI 0.2 component of the kind that is wanted: a command, or one that exports
/// `wasi:http/incoming-handler`, or Spin 1's handler.
pub fn check(guest: &[u8], command: bool) -> Result<()> {
    if !guest.starts_with(b"\0asm") {
        bail!("not a component: this is not WebAssembly");
    }
    let names = names(guest)?;
    if let Some(name) = names.all().find(|name| is_wasi_03(name)) {
        bail!("a WASI 0.3 component ({name}): only WASI 0.2 components can be run in-process");
    }
    if let Some(name) = names.imports.iter().find(|name| name.starts_with(OURS)) {
        bail!("the component imports {name}, which is not for guests");
    }
    let wanted = |name: &String| match command {
        true => is_wasi_02(name, COMMAND),
        false => is_wasi_02(name, HANDLER) || name == SPIN_HANDLER,
    };
    if names.exports.iter().any(wanted) {
        return Ok(());
    }
    let exports = match names.exports.as_slice() {
        [] => "nothing".to_owned(),
        exports => exports.join(", "),
    };
    bail!("no {}@0.2 export: the component exports {exports}", if command { COMMAND } else { HANDLER });
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
