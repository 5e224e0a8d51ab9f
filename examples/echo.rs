//! A server that sends back what it gets: one fiber for each connection, written as if each blocked a thread.
//!
//!     cargo run --release --example echo [ADDRESS] [WORKERS]      e.g.  echo 127.0.0.1:7000 2
//!
//! Try it with `nc 127.0.0.1 7000`. It ends on ctrl-c.

use heddle_scheduler::io::net::{TcpListener, TcpStream};
use heddle_scheduler::{Scheduler, go, sleep};
use std::error::Error;
use std::io::{self, Read, Write};
use std::time::Duration;

/// A client that says nothing for so long is let go.
const IDLE_MAX: Duration = Duration::from_secs(300);

fn echo(mut stream: TcpStream) -> io::Result<u64> {
    stream.set_read_timeout(Some(IDLE_MAX))?;
    stream.set_nodelay(true)?;
    let mut bytes = [0; 4096];
    let mut total = 0;
    loop {
        match stream.read(&mut bytes)? {
            0 => return Ok(total),
            count => {
                stream.write_all(&bytes[..count])?;
                total += count as u64;
            }
        }
    }
}

fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => drop(go(move || match echo(stream) {
                Ok(total) => println!("{peer}: {total} bytes"),
                Err(error) => println!("{peer}: {error}"),
            })),
            // Such as that there is no descriptor left: others may give theirs back.
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(10));
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let mut builder = Scheduler::builder();
    if let Some(workers) = words.next() {
        builder = builder.workers(workers.parse()?);
    }
    let scheduler = builder.build()?;
    let listener = TcpListener::bind(address.as_str())?;
    println!("listening at {}", listener.local_addr()?);
    scheduler.run(move || serve(listener))?;
    Ok(())
}
