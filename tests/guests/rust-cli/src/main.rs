//! A command as a component: prints its arguments, then ends as the first one says.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("{arguments:?}");
    match arguments.first().map(String::as_str) {
        Some("trap") => trap(),
        Some("fail") => std::process::exit(1),
        _ => {}
    }
}

#[inline(never)]
fn trap() {
    std::arch::wasm32::unreachable()
}
