//! Generates the bindings of this side's world of wit/spin.wit.

fn main() {
    wasmdeploy_builder::bindings("spin.wit", "outbound");
}
