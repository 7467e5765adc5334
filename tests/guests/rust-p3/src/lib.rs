//! A WASI 0.3 guest: its handler is asynchronous, and its body a stream.

use std::cell::Cell;

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

wasip3::http::service::export!(App);

struct App;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

impl wasip3::exports::http::handler::Guest for App {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let calls = CALLS.with(|calls| calls.replace(calls.get() + 1) + 1);
        let text = match path.as_str() {
            "/calls" => calls.to_string(),
            "/env" => {
                let mut all: Vec<String> =
                    std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
                all.sort();
                all.join("\n")
            }
            "/print" => {
                println!("printed");
                eprintln!("complained");
                "nothing of it here".to_owned()
            }
            "/loop" => loop {
                std::hint::black_box(0);
            },
            "/large" => vec![1u8; 300 << 20].len().to_string(),
            _ => "hello from WASI 0.3\n".to_owned(),
        };
        let (mut body, receiver) = wit_stream::new();
        let (trailers, trailers_receiver) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(receiver), trailers_receiver);
        drop(trailers);
        wit_bindgen::spawn_local(async move {
            let _ = body.write_all(text.into_bytes()).await;
        });
        Ok(response)
    }
}
