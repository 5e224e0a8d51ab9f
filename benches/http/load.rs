//! The clients: one thread with an epoll of its own, many connections that are kept, and a histogram.
//!
//! *Closed*: each connection asks again as soon as it has its answer: how many answers can there be? Its latencies say
//! how long each waited in that crowd. *Open*: requests are due at moments that do not depend on answers, and their
//! latency counts from then, so that a server that stalls is not asked less.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// What to ask, how often.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) connections: usize,
    /// Requests in a second; `None`: as many as are answered.
    pub(crate) rate: Option<f64>,
    /// The clients never sleep: they have a CPU of their own. One that sleeps is woken by the answer, which costs the
    /// server several us, and the more often the slower it is.
    pub(crate) spins: bool,
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// In ns, sorted.
    pub(crate) latencies: Vec<u64>,
    pub(crate) took: Duration,
    /// Connections that broke, and answers that were not 200.
    pub(crate) failures: usize,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.latencies.len() as f64 * share).ceil() as usize).max(1) - 1;
        Duration::from_nanos(self.latencies.get(rank).copied().unwrap_or(0))
    }
}

struct Client {
    stream: TcpStream,
    /// Since when it waits for an answer: when that was asked for, or should have been.
    asked: Option<Instant>,
    answer: Vec<u8>,
}

impl Client {
    /// Reads what is there. `Some`: whether the answer that is now complete is a good one.
    fn read(&mut self) -> io::Result<Option<bool>> {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.answer.extend_from_slice(&bytes[..count]);
                    if let Some(length) = length(&self.answer) {
                        let is_good = self.answer.starts_with(b"HTTP/1.1 200");
                        self.answer.drain(..length);
                        return Ok(Some(is_good));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How long the first answer is, if it is complete.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let line =
        text.lines().find(|line| line.len() > 15 && line[..15].eq_ignore_ascii_case("content-length:"))?;
    let body: usize = line[15..].trim().parse().ok()?;
    (bytes.len() >= head + body).then_some(head + body)
}

struct Crowd {
    plan: Plan,
    request: Vec<u8>,
    epoll: OwnedFd,
    clients: Vec<Client>,
    /// Those that wait for no answer.
    idle: VecDeque<usize>,
    begin: Instant,
    outcome: Outcome,
}

/// Runs a plan. It begins when all who share `begin` have their connections, and each of those was used once.
pub(crate) fn run(plan: &Plan, begin: &Barrier) -> io::Result<Outcome> {
    // SAFETY: takes an integer; what it makes is ours.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if epoll < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", plan.path, plan.address).into_bytes();
    let first = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", plan.address).into_bytes();
    let mut clients = Vec::new();
    for index in 0..plan.connections {
        let mut stream = TcpStream::connect(plan.address)?;
        stream.set_nodelay(true)?;
        stream.write_all(&first)?;
        let mut event =
            libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: index as u64 };
        // SAFETY: reads one struct of ours.
        if unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event) }
            != 0
        {
            return Err(io::Error::last_os_error());
        }
        clients.push(Client { stream, asked: None, answer: Vec::with_capacity(512) });
    }
    for client in &mut clients {
        let mut bytes = [0; 4096];
        while length(&client.answer).is_none() {
            let count = client.stream.read(&mut bytes)?;
            client.answer.extend_from_slice(&bytes[..count]);
        }
        client.answer.clear();
        client.stream.set_nonblocking(true)?;
    }
    begin.wait();
    let idle = (0..plan.connections).collect();
    let outcome = Outcome::default();
    let crowd = Crowd { plan: plan.clone(), request, epoll, clients, idle, begin: Instant::now(), outcome };
    crowd.run()
}

impl Crowd {
    fn run(mut self) -> io::Result<Outcome> {
        self.begin = Instant::now();
        let (counted, end) =
            (self.begin + self.plan.warm_up, self.begin + self.plan.warm_up + self.plan.time);
        let interval = self.plan.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let mut due = self.begin;
        // SAFETY: all zeros are events.
        let mut events: Vec<libc::epoll_event> = vec![unsafe { std::mem::zeroed() }; 1024];
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            match interval {
                None => {
                    while let Some(index) = self.idle.pop_front() {
                        self.ask(index, Instant::now());
                    }
                }
                Some(interval) => {
                    while due <= now {
                        match self.idle.pop_front() {
                            Some(index) => self.ask(index, due),
                            // It is late already, and will be asked when somebody is free.
                            None => break,
                        }
                        due += interval;
                    }
                }
            }
            if self.idle.len() + self.outcome.failures >= self.plan.connections && interval.is_none() {
                return Err(io::Error::other("all connections have failed"));
            }
            // An open loop looks all the time: a thread that sleeps would be late for its own requests.
            let millis = if interval.is_some() || self.plan.spins { 0 } else { 10 };
            // SAFETY: the kernel writes so many events at most.
            let count = unsafe {
                libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, millis)
            };
            if count == 0 && interval.is_some() && !self.plan.spins {
                std::thread::sleep(
                    due.saturating_duration_since(Instant::now()).min(Duration::from_micros(50)),
                );
            }
            for event in &events[..usize::try_from(count).unwrap_or(0)] {
                self.hear(event.u64 as usize, counted);
            }
        }
        // Who waits still has waited so long at least.
        for client in &self.clients {
            if let Some(asked) = client.asked
                && self.plan.rate.is_some()
            {
                self.outcome.latencies.push(asked.elapsed().as_nanos() as u64);
            }
        }
        self.outcome.took = self.plan.time;
        self.outcome.latencies.sort_unstable();
        Ok(self.outcome)
    }

    fn ask(&mut self, index: usize, since: Instant) {
        let client = &mut self.clients[index];
        client.asked = Some(since);
        // A request is short enough for any buffer.
        if client.stream.write_all(&self.request).is_err() {
            client.asked = None;
            self.outcome.failures += 1;
        }
    }

    fn hear(&mut self, index: usize, counted: Instant) {
        let client = &mut self.clients[index];
        match client.read() {
            Ok(None) => {}
            Ok(Some(is_good)) => {
                let Some(asked) = client.asked.take() else { return };
                let now = Instant::now();
                if now >= counted {
                    self.outcome.latencies.push((now - asked).as_nanos() as u64);
                }
                self.outcome.failures += usize::from(!is_good);
                self.idle.push_back(index);
            }
            Err(_) => {
                if client.asked.take().is_some() {
                    self.outcome.failures += 1;
                }
            }
        }
    }
}
