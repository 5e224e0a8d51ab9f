//! An HTTP server written as if each connection blocked a thread: [`server`] is what to read.
//!
//!     cargo run --release --example http [ADDRESS] [WORKERS] [--until-stdin-ends]
//!
//!     curl -i http://127.0.0.1:8080/
//!     curl -i http://127.0.0.1:8080/work?50 & curl -i http://127.0.0.1:8080/health
//!
//! It ends on ctrl-c, on SIGTERM, or when its standard input ends if it is told so: requests that have begun are
//! answered first.

mod message;
mod server;

use heddle_scheduler::io::net::TcpListener;
use heddle_scheduler::{Lanes, Scheduler};
use server::Server;
use std::error::Error;
use std::io::Read;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// How long requests may take that have begun when the end is asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Blocks the signals that end a program, for this thread and those it makes, which are all.
fn hold_signals() -> libc::sigset_t {
    // SAFETY: writes a set of ours.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGINT);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    }
}

/// Tells when somebody wants the end.
fn watch(set: libc::sigset_t, stdin: bool, tell: Sender<&'static str>) {
    let first = tell.clone();
    std::thread::spawn(move || {
        let mut signal = 0;
        // SAFETY: reads the set, writes the number.
        unsafe { libc::sigwait(&set, &mut signal) };
        let _ = first.send("a signal");
        // A second one does not wait.
        // SAFETY: as above.
        unsafe { libc::sigwait(&set, &mut signal) };
        std::process::exit(1);
    });
    if stdin {
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            let _ = tell.send("the end of the input");
        });
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (options, words): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    if let Some(unknown) = options.iter().find(|option| *option != "--until-stdin-ends") {
        return Err(format!("{unknown}? usage: http [ADDRESS] [WORKERS] [--until-stdin-ends]").into());
    }
    let address = words.first().map_or("127.0.0.1:8080", String::as_str);
    let set = hold_signals();
    // What connections do is short, and what is long is Background work: so they need not give way to the threads of
    // others, as the clients' on the same machine.
    let mut builder = Scheduler::builder().lanes(Lanes::three().ordinary_nice(0));
    if let Some(workers) = words.get(1) {
        builder = builder.workers(workers.parse()?);
    }
    let scheduler = builder.build()?;
    let server = Server::start(&scheduler, TcpListener::bind(address)?)?;
    println!("listening at {}", server.address());
    let (tell, told) = channel();
    watch(set, !options.is_empty(), tell);
    println!("{}: no more connections", told.recv()?);
    match server.shut_down(PATIENCE) {
        0 => println!("all connections are done"),
        left => println!("{left} connections are not done, and are ended"),
    }
    scheduler.stop()?;
    println!("{}", scheduler.stats().io);
    Ok(())
}
