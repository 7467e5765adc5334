//! Generates the bindings of the adapter's world from the WIT that the builder puts together.

use wit_bindgen_core::{Files, WorldGenerator};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../wit/adapter.wit");
    // Nothing here recurses. A small memory costs each new instance less than the default with its megabyte.
    println!("cargo:rustc-link-arg-cdylib=-zstack-size=32768");
    // Most requests find room in this: a memory that grows is mapped anew, and back again for the next instance.
    println!("cargo:rustc-link-arg-cdylib=--initial-heap=65536");
    let (mut resolve, world) = wasmdeploy_builder::adapter_world().expect("the adapter's WIT");
    let options = wit_bindgen_rust::Opts {
        generate_all: true,
        merge_structurally_equal_types: Some(Some(true)),
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).expect("bindings");
    let (_, source) = files.iter().next().expect("one file of bindings");
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").expect("OUT_DIR"));
    std::fs::write(out.join("bindings.rs"), source).expect("bindings written");
}
