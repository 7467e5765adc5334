//! Answers HTTP: `main` is called for each request, in a fresh WebAssembly instance.

use wstd::http::{Body, Error, Method, Request, Response};

/// Greet whoever asks.
#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let greeting = std::env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());
    if request.method() == Method::POST {
        let response = Response::builder().header("content-type", "application/octet-stream");
        return Ok(response.body(request.into_body())?);
    }
    let text = format!("{greeting} from {}\n", request.uri().path());
    Ok(Response::builder()
        .header("content-type", "text/plain; charset=utf-8")
        .body(text.into())?)
}
