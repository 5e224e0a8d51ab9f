//! Fibers beside tokio: a service of fibers asks an HTTP server that tokio runs, and tokio's tasks wait for fibers of
//! chosen priorities. `docs/async.md` has the pattern.
//!
//!     cargo run --release -p heddle-scheduler --example beside_tokio

use heddle_scheduler::{Priority, Scheduler, block_on};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// Answers `GET /n` with the number: how the rest of the world is served by tokio.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut request = vec![0; 1024];
            let length = socket.read(&mut request).await?;
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = text.split_whitespace().nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len());
            socket.write_all(answer.as_bytes()).await
        });
    }
}

/// An async client, as there are many. It needs tokio's reactor, so it runs in a task.
async fn get(server: SocketAddr, path: u64) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(server).await?;
    socket.write_all(format!("GET /{path} HTTP/1.1\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

/// What fibers do with a client: the call looks like one that blocks, and suspends the fiber only.
fn fetch(
    tokio: &Handle,
    server: SocketAddr,
    path: u64,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let body = block_on(tokio.spawn(get(server, path)))??;
    Ok(body.parse()?)
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let scheduler = Arc::new(Scheduler::builder().workers(2).build()?);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let server = listener.local_addr()?;
    let serving = runtime.spawn(serve(listener));

    // Fibers that wait for tokio: a hundred at once, on two threads a lane.
    let fetches: Vec<_> = (0..100)
        .map(|path| {
            let tokio = runtime.handle().clone();
            scheduler.go_with_priority(Priority::Normal, move || fetch(&tokio, server, path))
        })
        .collect();
    let mut sum = 0;
    for fetch in fetches {
        sum += fetch.join()??;
    }
    assert_eq!(sum, 4950);
    println!("100 fibers fetched numbers through tokio; their sum is {sum}");

    // Tasks that wait for fibers: what takes time is computed there, urgent things before others.
    let answers = runtime.block_on(async {
        let compute = |priority, from: u64| {
            let fiber = scheduler.go_with_priority(priority, move || (from..from + 1_000_000).sum::<u64>());
            tokio::spawn(async move { fiber.await })
        };
        let (background, urgent) = (compute(Priority::Background, 1), compute(Priority::Critical, 2));
        let urgent = urgent.await.expect("no panic");
        (urgent, background.await.expect("no panic"))
    });
    println!("a task had {} from a Critical fiber and {} from a Background one", answers.0?, answers.1?);
    serving.abort();
    Ok(())
}
