//! Many connections with random lengths, pauses, time-outs and cancellations: what arrives is what was sent, and nothing
//! is left.

use crate::{WORKERS, connected, on_workers};
use heddle_scheduler::{JoinHandle, Priority, checkpoint, go_with_priority, sleep, yield_now};
use heddle_tests::{Random, Rig};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

const ROUNDS: usize = 2;
const PAIRS: usize = 20;

fn pause(random: &mut Random) {
    match random.below(6) {
        0 => yield_now(),
        1 => sleep(Duration::from_micros(random.below(200))),
        2 => checkpoint(),
        _ => {}
    }
}

/// The byte at a place of the stream.
fn byte(at: usize) -> u8 {
    (at * 7 + at / 251) as u8
}

/// Sends so many bytes, and reads what comes back until the end. How much that was, and whether it was right.
fn talk(rig: &Rig, random: &mut Random, length: usize) -> (JoinHandle<usize>, JoinHandle<usize>) {
    let (near, far) = connected();
    let (mut ours, mut theirs) = (random.split(), random.split());
    if random.chance(30) {
        far.set_read_timeout(Some(Duration::from_micros(1 + random.below(3000)))).unwrap();
        near.set_write_timeout(Some(Duration::from_micros(1 + random.below(3000)))).unwrap();
    }
    let priority = *random.pick(&Priority::ALL);
    let (held, also) = (rig.track(), rig.track());
    let sender = rig.go_with_priority(priority, move || {
        let _held = held;
        let mut sent = 0;
        while sent < length {
            let end = (sent + 1 + ours.below(20_000) as usize).min(length);
            let chunk: Vec<u8> = (sent..end).map(byte).collect();
            match (&near).write(&chunk) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                // The reader was cancelled.
                Err(_) => return sent,
            }
            pause(&mut ours);
        }
        sent
    });
    let reader = rig.run(move || {
        go_with_priority(priority, move || {
            let _held = also;
            let (mut taken, mut bytes) = (0, vec![0; 30_000]);
            loop {
                let most = 1 + theirs.below(bytes.len() as u64) as usize;
                match (&far).read(&mut bytes[..most]) {
                    Ok(0) => return taken,
                    Ok(count) => {
                        assert!(
                            (taken..).zip(&bytes[..count]).all(|(at, &got)| got == byte(at)),
                            "at {taken}"
                        );
                        taken += count;
                    }
                    Err(error) if error.kind() == ErrorKind::TimedOut => {}
                    // The sender left with something unread behind it, or was cancelled.
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => return taken,
                    Err(error) => panic!("{error}"),
                }
                pause(&mut theirs);
            }
        })
    });
    (sender, reader)
}

#[test]
fn what_arrives_is_what_was_sent_whoever_is_cancelled() {
    on_workers(&WORKERS, |rig| {
        let mut random = Random::new();
        for _ in 0..ROUNDS {
            let mut pairs = Vec::new();
            for _ in 0..PAIRS {
                let length = random.below(100_000) as usize;
                pairs.push((length, talk(rig, &mut random, length)));
            }
            for (_, (sender, reader)) in &pairs {
                match random.below(10) {
                    0 => sender.cancel(),
                    1 => reader.cancel(),
                    _ => {}
                }
            }
            for (length, (sender, reader)) in pairs {
                match (sender.join(), reader.join()) {
                    (Ok(sent), Ok(taken)) => assert_eq!((sent, taken), (length, length)),
                    (Err(error), _) | (_, Err(error)) => assert!(error.is_cancelled(), "{error}"),
                }
            }
        }
    });
}
