//! Generates the bindings of this side's world of wit/spin.wit.

fn main() {
    wasmdeploy_builder::spin_bindings("inbound");
}
