//! The WIT behind the artifacts: WASI's from the published crate `wasip2`, our own from `wit/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_parser::{Resolve, WorldId};

/// Returns the adapter's world over WASI's WIT.
pub fn adapter_world() -> Result<(Resolve, WorldId)> {
    world("wit/adapter.wit", "adapter")
}

/// Returns the world of web guests built with componentize-py.
pub fn python_world() -> Result<(Resolve, WorldId)> {
    world("wit/app.wit", "http-py")
}

/// Writes the Rust bindings of a world in a file of `wit/` to OUT_DIR; called by build scripts, which may panic.
pub fn bindings(file: &str, name: &str) {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../wit/{file}");
    // As for the types adapter: nothing here recurses, and a small memory makes an instance cheaper.
    println!("cargo:rustc-link-arg-cdylib=-zstack-size=32768");
    let (mut resolve, world) = world(&format!("wit/{file}"), name).expect("the WIT");
    let options = wit_bindgen_rust::Opts {
        generate_all: true,
        merge_structurally_equal_types: Some(Some(true)),
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).expect("bindings");
    let (_, source) = files.iter().next().expect("one file of bindings");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("OUT_DIR"));
    std::fs::write(out.join("bindings.rs"), source).expect("bindings written");
}

fn world(file: &str, name: &str) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    // Guests may be built against WIT in which this one unstable function is enabled.
    resolve.features.insert("informational-outbound-responses".to_owned());
    resolve.push_dir(wasi_wit()?)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let package = resolve.push_source(file, &text)?;
    let world = resolve.select_world(&[package], Some(name))?;
    Ok((resolve, world))
}

/// Finds the WIT of WASI 0.2.12, which the crate `wasip2` carries in its package.
fn wasi_wit() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let package = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|p| p["name"] == "wasip2"))
        .context("the lock file names no wasip2")?;
    let manifest = package["manifest_path"].as_str().context("wasip2 has no manifest")?;
    Ok(Path::new(manifest).with_file_name("wit"))
}
