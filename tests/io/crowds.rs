//! More connections have something to read than a worker serves in a turn: the others are put off, and none is forgotten,
//! however its wait ends.

use crate::{connected, has_network, may_have_descriptors};
use heddle_scheduler::io::net::TcpStream;
use heddle_scheduler::{JoinHandle, Priority};
use heddle_tests::{Gate, Rig, eventually, in_one_lane};
use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Many times what a turn serves.
const CROWD: usize = 300;

/// The fibers that have gone on, in that order.
type Order = Arc<Mutex<Vec<usize>>>;

struct Crowd {
    readers: Vec<JoinHandle<bool>>,
    /// The other ends, in that order.
    peers: Vec<TcpStream>,
    order: Order,
    gate: Arc<Gate>,
}

impl Crowd {
    /// Fibers that wait, each for a byte of its own, on one worker, which computes until the gate opens.
    fn wait(rig: &Rig, count: usize, time: Option<Duration>) -> Crowd {
        let (order, gate) = (Order::default(), Arc::new(Gate::new()));
        let before = rig.stats().io.waits;
        let (near, peers): (Vec<_>, Vec<_>) = (0..count).map(|_| connected()).unzip();
        let readers = near
            .into_iter()
            .enumerate()
            .map(|(index, mut near)| {
                let (order, held) = (order.clone(), rig.track());
                near.set_read_timeout(time).unwrap();
                rig.go(move || {
                    let _held = held;
                    let came = near.read_exact(&mut [0]);
                    order.lock().unwrap().push(index);
                    match came {
                        Ok(()) => true,
                        Err(error) if error.kind() == ErrorKind::TimedOut => false,
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        eventually(|| rig.stats().io.waits == before + count as u64);
        let (theirs, busy) = (gate.clone(), Gate::new());
        let begun = busy.clone();
        drop(rig.go_with_priority(Priority::Critical, move || {
            begun.open();
            theirs.wait();
        }));
        busy.wait();
        Crowd { readers, peers, order, gate }
    }

    /// All get their byte while the worker is busy.
    fn send(&self) {
        self.peers.iter().for_each(|mut peer| peer.write_all(&[1]).unwrap());
    }
}

/// One worker: all that happens is in its turn. One crowd at a time, as it takes many descriptors.
fn on_one(body: impl Fn(&Rig)) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    if has_network() && may_have_descriptors(2 * CROWD as u64) {
        in_one_lane(&[1], |builder| builder, body);
    }
}

#[test]
fn of_many_that_are_ready_each_is_served() {
    on_one(|rig| {
        let crowd = Crowd::wait(rig, CROWD, None);
        crowd.send();
        crowd.gate.open();
        assert!(crowd.readers.into_iter().all(|reader| reader.join().unwrap()));
        assert!(rig.stats().io.put_off > 0, "{}", rig.stats().io);
    });
}

#[test]
fn connections_that_ask_again_and_again_keep_nobody_out() {
    on_one(|rig| {
        const ROUNDS: usize = 20;
        let (near, mut far): (Vec<_>, Vec<_>) = (0..CROWD).map(|_| connected()).unzip();
        let serve = |mut near: TcpStream| {
            rig.go(move || {
                let mut byte = [0];
                while near.read(&mut byte).unwrap() == 1 {
                    near.write_all(&byte).unwrap();
                }
            })
        };
        let servers: Vec<_> = near.into_iter().map(serve).collect();
        far.iter_mut().for_each(|peer| peer.write_all(&[0]).unwrap());
        for round in 0..ROUNDS {
            for peer in &mut far {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                assert_eq!(usize::from(byte[0]), round);
                if round + 1 < ROUNDS {
                    peer.write_all(&[byte[0] + 1]).unwrap();
                }
            }
        }
        drop(far);
        servers.into_iter().for_each(|server| server.join().unwrap());
    });
}

#[test]
fn those_who_are_put_off_can_be_cancelled() {
    on_one(|rig| {
        let crowd = Crowd::wait(rig, CROWD, None);
        crowd.send();
        // Some before a look puts most of them off, some after.
        let (mut near, mut far) = connected();
        std::thread::scope(|scope| {
            let _ = scope.spawn(|| crowd.readers.iter().rev().for_each(JoinHandle::cancel));
            crowd.gate.open();
        });
        // Each has read, or was cancelled.
        crowd.readers.into_iter().for_each(|reader| drop(reader.join()));
        // What they leave behind puts nobody else off for ever.
        let after = rig.go(move || near.read_exact(&mut [0]).unwrap());
        far.write_all(&[1]).unwrap();
        after.join().unwrap();
    });
}

/// A Critical fiber that waits for a byte, which is sent first, then does something while most of the others are put off.
fn meanwhile(rig: &Rig, work: impl FnOnce() + Send + 'static) -> (JoinHandle<()>, TcpStream) {
    let (mut near, far) = connected();
    let before = rig.stats().io.waits;
    let urgent = rig.go_with_priority(Priority::Critical, move || {
        near.read_exact(&mut [0]).unwrap();
        work();
    });
    eventually(|| rig.stats().io.waits == before + 1);
    (urgent, far)
}

#[test]
fn one_that_becomes_urgent_is_put_off_no_longer() {
    on_one(|rig| {
        let last: Arc<Mutex<Option<JoinHandle<bool>>>> = Arc::default();
        let theirs = last.clone();
        let raise = move || theirs.lock().unwrap().as_ref().unwrap().set_priority(Priority::High);
        let (urgent, mut first) = meanwhile(rig, raise);
        let mut crowd = Crowd::wait(rig, CROWD, None);
        *last.lock().unwrap() = crowd.readers.pop();
        first.write_all(&[1]).unwrap();
        crowd.send();
        crowd.gate.open();
        urgent.join().unwrap();
        let handle = last.lock().unwrap().take().unwrap();
        assert!(handle.join().unwrap());
        assert!(crowd.readers.into_iter().all(|reader| reader.join().unwrap()));
        let order = crowd.order.lock().unwrap();
        let place = order.iter().position(|&index| index == CROWD - 1).unwrap();
        assert!(place < CROWD / 2, "it was number {place}");
    });
}

#[test]
fn what_came_in_time_is_read_also_if_its_fiber_was_put_off() {
    on_one(|rig| {
        // Shorter than the worker computes: their timers fire when the bytes are there.
        let time = Duration::from_millis(200);
        let begin = Instant::now();
        let crowd = Crowd::wait(rig, CROWD, Some(time));
        crowd.send();
        if begin.elapsed() >= time {
            // The machine was too slow for bytes in time.
            crowd.gate.open();
            return;
        }
        eventually(|| begin.elapsed() >= 2 * time);
        crowd.gate.open();
        assert!(crowd.readers.into_iter().all(|reader| reader.join().unwrap()));
    });
}
