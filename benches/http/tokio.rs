//! The same server in tokio and hyper: the same paths, the same answers, on as many threads.
#![cfg(feature = "peers")]

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body: &'static str = match request.uri().path() {
        "/" => "Hello, world!",
        "/health" => "ok",
        "/work" => {
            let time = request.uri().query().and_then(|query| query.parse().ok()).unwrap_or(1).min(100);
            // As its documentation says for what computes.
            let work = tokio::task::spawn_blocking(move || super::compute(Duration::from_millis(time)));
            work.await.expect("it does not panic");
            "done"
        }
        _ => {
            let mut response = Response::new(Full::new(Bytes::from_static(b"Not Found\n")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

async fn accept(listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service = service_fn(answer);
            // What goes wrong with a connection is its client's business; it ends.
            let _ = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Serves for ever; says where.
pub(crate) fn serve(address: SocketAddr, workers: usize) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    runtime.block_on(async move {
        let socket = TcpSocket::new_v4()?;
        socket.bind(address)?;
        let listener = socket.listen(4096)?;
        println!("{}", listener.local_addr()?);
        tokio::spawn(accept(listener)).await.map_err(std::io::Error::other)
    })
}
