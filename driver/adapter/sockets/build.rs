//! Generates the bindings of the world of wit/sockets.wit.

fn main() {
    wasmdeploy_builder::bindings("sockets.wit", "sockets");
}
