//! Answers through Spin 1's handler; the path chooses the behaviour.

wit_bindgen::generate!({ world: "app", path: "wit" });

use exports::fermyon::spin::inbound_http::{Guest, Request, Response};
use fermyon::spin::http_types::Method;
use fermyon::spin::{config, http, key_value};

struct App;

export!(App);

impl Guest for App {
    fn handle_request(request: Request) -> Response {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        match path {
            "/request" => {
                let mut headers: Vec<String> =
                    request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
                headers.sort();
                text(200, format!("{:?} {} {}", request.method, request.uri, headers.join(" ")))
            }
            "/echo" => Response { status: 200, headers: None, body: request.body },
            "/status" => Response { status: query.parse().unwrap(), headers: None, body: None },
            "/headers" => Response {
                status: 200,
                headers: Some(vec![
                    ("set-cookie".into(), "a=1".into()),
                    ("set-cookie".into(), "b=2".into()),
                    ("connection".into(), "close".into()),
                ]),
                body: Some(b"two cookies".to_vec()),
            },
            "/broken" => Response {
                status: 200,
                headers: Some(vec![("x".into(), "a\nset-cookie: stolen".into())]),
                body: None,
            },
            "/config" => text(200, format!("{:?}", config::get_config(query))),
            "/store" => text(200, format!("{:?}", key_value::open("default"))),
            "/fetch" => fetch(query, request.body),
            "/printed" => {
                println!("printed");
                text(200, "nothing of it here".into())
            }
            "/trap" => panic!("as asked"),
            _ => text(200, "hello from Spin 1\n".into()),
        }
    }
}

fn fetch(url: &str, body: Option<Vec<u8>>) -> Response {
    let body = body.filter(|body| !body.is_empty());
    let method = if body.is_some() { Method::Post } else { Method::Get };
    let headers = vec![("x-from".into(), "spin".into()), ("host".into(), "faked".into())];
    match http::send_request(&Request { method, uri: url.into(), headers, params: vec![], body }) {
        Ok(response) => text(
            200,
            format!(
                "{} {} {}",
                response.status,
                response.headers.unwrap().iter().find(|(name, _)| name == "x-kind").unwrap().1,
                String::from_utf8_lossy(&response.body.unwrap())
            ),
        ),
        Err(error) => text(200, error.name().to_owned()),
    }
}

fn text(status: u16, text: String) -> Response {
    let headers = vec![("content-type".into(), "text/plain".into())];
    Response { status, headers: Some(headers), body: Some(text.into_bytes()) }
}
