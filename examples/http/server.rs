//! The server: a fiber accepts, one fiber for each connection reads, answers and reads on. Used by the benchmark, too.
//!
//! | path      | what it does                                                                        |
//! |-----------|-------------------------------------------------------------------------------------|
//! | `/`       | says hello                                                                          |
//! | `/health` | says ok, at Critical: also when all CPUs are busy                                   |
//! | `/work?n` | computes for n milliseconds at Background, 100 at most                              |
//! | `/echo`   | sends the body back (POST)                                                          |

use crate::message::{
    Answer, BAD_REQUEST, Date, Method, NOT_ALLOWED, NOT_FOUND, OK, Request, Status, TIMEOUT, parse,
};
use heddle_scheduler::io::net::{TcpListener, TcpStream};
use heddle_scheduler::{JoinHandle, Priority, Scheduler, checkpoint, go, set_priority, sleep, thread_time};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A client that sends nothing for so long is let go.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// One that takes nothing for so long, too.
const STALL_MAX: Duration = Duration::from_secs(30);
/// Answers to requests that came together are sent together, up to so many bytes.
const BATCH: usize = 64 << 10;
/// What a connection can take at first: most requests.
const FIRST_ROOM: usize = 2048;
/// The most that `/work` computes, in ms.
const WORK_MAX: u64 = 100;

/// A server that runs.
pub(crate) struct Server {
    address: SocketAddr,
    acceptor: JoinHandle<()>,
    shared: Arc<Shared>,
}

struct Shared {
    /// A lock of `std`, as nobody suspends while he has it, and a connection that is cancelled takes it while it unwinds.
    open: Mutex<Open>,
    closing: AtomicBool,
}

impl Shared {
    fn with_open<R>(&self, f: impl FnOnce(&mut Open) -> R) -> R {
        f(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
struct Open {
    next: u64,
    streams: HashMap<u64, TcpStream>,
}

impl Server {
    /// Serves what comes in at `listener`, by fibers of `scheduler`.
    pub(crate) fn start(scheduler: &Scheduler, listener: TcpListener) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { open: Mutex::new(Open::default()), closing: AtomicBool::new(false) });
        let theirs = shared.clone();
        // Above the connections, so that they cannot keep others out.
        let acceptor = scheduler.go_with_priority(Priority::High, move || accept(&listener, &theirs));
        Ok(Server { address, acceptor, shared })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, lets requests that have begun be answered for so long, and returns how many connections were
    /// not done by then.
    pub(crate) fn shut_down(self, patience: Duration) -> usize {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.acceptor.cancel();
        // It was cancelled, which is what `join` says.
        let _ = self.acceptor.join();
        let due = Instant::now() + patience;
        loop {
            let left = self.shared.with_open(|open| {
                for stream in open.streams.values() {
                    // Whoever waits for a request finds the end; answers still go out. It fails where the client has gone.
                    let _ = stream.shutdown(Shutdown::Read);
                }
                open.streams.len()
            });
            if left == 0 || Instant::now() >= due {
                return left;
            }
            sleep(Duration::from_millis(5));
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let shared = shared.clone();
                let handle = heddle_scheduler::go_with_priority(Priority::Normal, move || {
                    // What goes wrong with a connection is its client's business; it ends.
                    let _ = serve(stream, &shared);
                });
                drop(handle);
            }
            // Such as that there is no descriptor left: others may give theirs back.
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(10));
            }
        }
    }
}

/// A connection in the list of those that are open.
struct Listed<'a>(&'a Shared, u64);

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let stream = self.0.with_open(|open| open.streams.remove(&self.1));
        drop(stream);
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE_MAX))?;
    stream.set_write_timeout(Some(STALL_MAX))?;
    let theirs = stream.try_clone()?;
    let _listed = Listed(
        shared,
        shared.with_open(|open| {
            open.next += 1;
            open.streams.insert(open.next, theirs);
            open.next
        }),
    );
    let mut connection = Connection {
        stream,
        input: vec![0; FIRST_ROOM],
        begin: 0,
        end: 0,
        output: Vec::with_capacity(512),
        date: Date::default(),
        priority: Priority::Normal,
    };
    let outcome = connection.converse(shared);
    connection.linger();
    outcome
}

struct Connection {
    stream: TcpStream,
    /// What has come and was not answered is from `begin` to `end`.
    input: Vec<u8>,
    begin: usize,
    end: usize,
    /// Answers that were not sent.
    output: Vec<u8>,
    date: Date,
    priority: Priority,
}

impl Connection {
    fn converse(&mut self, shared: &Shared) -> io::Result<()> {
        loop {
            let goes_on = match parse(self.input()) {
                Ok(Some(request)) => self.take(&request, shared)?,
                Ok(None) => self.fill(shared)?,
                Err(status) => self.refuse(status),
            };
            if !goes_on {
                return self.send();
            }
            if self.output.len() >= BATCH {
                self.send()?;
            }
        }
    }

    /// Reads the body of a request, and answers. `false`: the connection is to end.
    fn take(&mut self, request: &Request, shared: &Shared) -> io::Result<bool> {
        let end = request.length + request.body;
        if self.input().len() < end {
            if request.expects {
                self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            while self.input().len() < end {
                self.send()?;
                if self.read()? == 0 {
                    return Ok(self.refuse(BAD_REQUEST));
                }
            }
        }
        let keeps_alive = request.keeps_alive && !shared.closing.load(Ordering::Relaxed);
        self.answer(request, keeps_alive);
        self.begin += end;
        Ok(keeps_alive)
    }

    /// Sends what there is, and waits for more. `false`: there is none.
    fn fill(&mut self, shared: &Shared) -> io::Result<bool> {
        self.send()?;
        if self.input().is_empty() && shared.closing.load(Ordering::Relaxed) {
            return Ok(false);
        }
        match self.read() {
            Ok(0) if self.input().is_empty() => Ok(false),
            Ok(0) => Ok(self.refuse(BAD_REQUEST)),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::TimedOut && !self.input().is_empty() => {
                Ok(self.refuse(TIMEOUT))
            }
            Err(error) => Err(error),
        }
    }

    fn input(&self) -> &[u8] {
        &self.input[self.begin..self.end]
    }

    /// What comes, in one piece; the longest request fits.
    fn read(&mut self) -> io::Result<usize> {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if self.end == self.input.len() {
            if self.begin > 0 {
                self.input.copy_within(self.begin..self.end, 0);
                (self.begin, self.end) = (0, self.end - self.begin);
            } else {
                self.input.resize(2 * self.end, 0);
            }
        }
        let count = self.stream.read(&mut self.input[self.end..])?;
        self.end += count;
        Ok(count)
    }

    fn send(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output)?;
            self.output.clear();
        }
        Ok(())
    }

    /// The answer to what cannot be understood, after which the connection ends.
    fn refuse(&mut self, status: Status) -> bool {
        let body = format!("{}\n", status.1);
        Answer::text(status, body.as_bytes()).write(&mut self.output, &mut self.date, Method::Get, false);
        false
    }

    /// A connection counts as urgent as what was asked last: one that asks for `/health` will do so again.
    fn be(&mut self, priority: Priority) {
        if self.priority != priority {
            self.priority = priority;
            set_priority(priority).expect("this is a fiber");
        }
    }

    fn answer(&mut self, request: &Request, keeps_alive: bool) {
        let target = &self.input()[request.target.clone()];
        let mark = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
        let (path, query) = (&target[..mark], &target[mark..]);
        let route = Route::of(path);
        let time = std::str::from_utf8(query).ok().and_then(|query| query.get(1..)?.parse().ok());
        self.be(if route == Route::Health { Priority::Critical } else { Priority::Normal });
        let gets = matches!(request.method, Method::Get | Method::Head);
        let not_allowed = |more| Answer { more, ..Answer::text(NOT_ALLOWED, b"Method Not Allowed\n") };
        let answer = match route {
            Route::Hello if gets => Answer::text(OK, b"Hello, world!"),
            Route::Health if gets => Answer::text(OK, b"ok"),
            Route::Work if gets => {
                self.work(Duration::from_millis(time.unwrap_or(1).min(WORK_MAX)));
                Answer::text(OK, b"done")
            }
            Route::Echo if request.method == Method::Post => {
                let body = &self.input[self.begin..self.end][request.length..request.length + request.body];
                Answer { kind: "application/octet-stream", ..Answer::text(OK, body) }
            }
            Route::Echo => not_allowed("allow: POST\r\n"),
            Route::None => Answer::text(NOT_FOUND, b"Not Found\n"),
            _ => not_allowed("allow: GET, HEAD\r\n"),
        };
        answer.write(&mut self.output, &mut self.date, request.method, keeps_alive);
    }

    /// Computes in a fiber of its own, which any worker may take. While this one waits for it, it is no more urgent
    /// itself: whoever waits lends its priority.
    fn work(&mut self, time: Duration) {
        self.be(Priority::Background);
        if let Err(error) = go(move || compute(time)).join() {
            eprintln!("/work: {error}");
        }
        self.be(Priority::Normal);
    }

    /// Ends the connection so that the last answer arrives: a socket that is closed with something unread is reset, and
    /// takes what it has sent along. So the client's end is waited for, a while.
    fn linger(&mut self) {
        let most = Duration::from_secs(1);
        if self.stream.shutdown(Shutdown::Write).is_err() || self.stream.set_read_timeout(Some(most)).is_err()
        {
            return;
        }
        let (due, mut bytes) = (Instant::now() + most, [0; 4096]);
        while Instant::now() < due && matches!(self.stream.read(&mut bytes), Ok(count) if count > 0) {}
    }
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Hello,
    Health,
    Work,
    Echo,
    None,
}

impl Route {
    fn of(path: &[u8]) -> Route {
        match path {
            b"/" => Route::Hello,
            b"/health" => Route::Health,
            b"/work" => Route::Work,
            b"/echo" => Route::Echo,
            _ => Route::None,
        }
    }
}

/// Uses so much CPU time.
fn compute(time: Duration) {
    let end = thread_time() + time;
    let mut number = 1_u64;
    while thread_time() < end {
        for _ in 0..1000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        checkpoint();
    }
}
