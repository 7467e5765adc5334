//! A program that reads Spin's configuration: as a preview 1 module it still has to become a component.

wit_bindgen::generate!({ world: "program", path: "wit" });

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    println!("{args:?} {:?}", fermyon::spin::config::get_config("word"));
    if args.first().is_some_and(|arg| arg == "fail") {
        std::process::exit(3);
    }
}
