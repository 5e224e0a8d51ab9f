//! Damaged messages: an error, or other values; nothing else. The seed is printed where something goes wrong, and
//! `HEDDLE_FUZZ_SEED` runs it again; `HEDDLE_FUZZ_RUNS` runs more.

use super::*;
use crate::clone::{from_message, to_value};

const SAMPLES: [&str; 12] = [
    "({x: 1, y: 'text', z: [1, 2.5, null, undefined, true, -0]})",
    "const o = {a: {}}; o.o = o; o.l = [o, o.a, [o]]; o",
    "Array.from({length: 20}, (_, i) => ({id: i, name: 'n' + i, on: i % 2 == 0}))",
    "new Map([[1, {a: 1}], ['k', new Set([1, 'a', [2]])], [{}, new Map()]])",
    "[new Date(5), /a(b)c/giu, new Number(1), new String('é'), Object(5n), Object(false)]",
    "const b = new ArrayBuffer(16), r = new ArrayBuffer(8, {maxByteLength: 64}); [b, new Uint8Array(b, 1, 4), new Float64Array(b), new DataView(b, 3), new Uint16Array(r), new DataView(r, 2), r]",
    "[new ArrayBuffer(6000), new Uint8Array(7000), new SharedArrayBuffer(99), new Int32Array(new SharedArrayBuffer(64), 4)]",
    "[Object.assign(new TypeError('t', {cause: [1]}), {code: 1}), new AggregateError([1, 2], 'm'), new DOMException('m', 'AbortError'), new SuppressedError(1, 2, 'm')]",
    "[1n, -1n, 2n ** 70n, -(2n ** 200n), 12345678901234567890n]",
    "['é', '線', 'a'.repeat(100), 'é'.repeat(100), '線'.repeat(100), 'a'.repeat(100), '\\ud83e']",
    "const a = [1, , 3]; a.x = 1; a[100] = a; a[-1] = 2; [a, {1: 2, 'k é': 3, '線': 4}]",
    "let d = 1; for (let i = 0; i < 40; i++) d = i % 2 ? [d] : {d}; d",
];

/// Looks at all that was read, as a script would.
const WALK: &str = r#"
    function walk(x, seen = new Set()) {
        if (seen.size > 200) return;
        if (typeof x === 'string') { x.length && x.charCodeAt(x.length - 1); return; }
        if (typeof x === 'bigint') { x * 3n; return; }
        if (typeof x !== 'object' || x === null || seen.has(x)) return;
        seen.add(x);
        if (ArrayBuffer.isView(x)) { if (x.byteLength) { const u = new Uint8Array(x.buffer, x.byteOffset, Math.min(x.byteLength, 100)); u[0] = u[u.length - 1]; } }
        if (x instanceof RegExp) x.test('abcabc');
        if (x instanceof Map || x instanceof Set) { let n = 0; for (const e of x) { walk(e, seen); if (++n > 100) break; } }
        try { String(x.stack); } catch {}
        let n = 0; for (const k in x) { walk(x[k], seen); if (++n > 100) break; }
    }
    x => walk(x)
"#;

/// Numbers that look random: splitmix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Changes one to four things.
fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        match chance.below(8) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = chance.next() as u8,
            2 => bytes[at] = chance.below(32) as u8 | if chance.below(4) == 0 { 0x80 } else { 0 },
            3 => bytes.truncate(at.max(1)),
            4 => bytes.insert(at, chance.next() as u8),
            5 => drop(bytes.remove(at)),
            6 => bytes[at] = [0, 0x7f, 0x80, 0xff][chance.below(4)],
            _ => {
                let from = chance.below(bytes.len());
                let part = bytes[from..(from + 8).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn damaged_messages_are_errors_or_other_values() {
    let seed = from_environment("HEDDLE_FUZZ_SEED");
    let runs = from_environment("HEDDLE_FUZZ_RUNS").unwrap_or(10_000);
    let first = seed.unwrap_or(1);
    let (mut read_well, mut as_rust) = (0_u64, 0_u64);
    // A new isolate now and then: what is damaged may fill one.
    let mut at = first;
    while at < first + if seed.is_some() { 1 } else { runs } {
        let mut isolate = isolate_of(64 << 20);
        let last = at + 2000;
        let result = enter(&mut isolate, |scope| {
            let walk = eval(scope, WALK)?;
            let mut samples = Vec::new();
            for sample in SAMPLES {
                samples.push(eval(scope, &format!("(() => {{ return eval({sample:?}); }})()"))?);
            }
            while at < last && at < first + runs {
                let mut chance = Chance(at);
                let sample = &samples[chance.below(samples.len())];
                let message = write_with(scope, Layout::get(scope), sample, &[])?;
                let mut bytes = message.bytes().to_vec();
                damage(&mut bytes, &mut chance);
                let message = message.with_bytes(&bytes);
                let guard = SeedOnPanic(at);
                as_rust += u64::from(to_value(&message).is_ok());
                let _ = from_message::<serde::de::IgnoredAny>(&message);
                if let Ok(values) = read(scope, message) {
                    read_well += 1;
                    for value in values {
                        // What a script throws at such a value is no matter.
                        let _ = walk.call(&scope.undefined(), &[&value]);
                    }
                }
                drop(guard);
                at += 1;
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("HEDDLE_FUZZ_SEED={at}: {error}");
        }
    }
    assert!(seed.is_some() || read_well > runs / 100, "some are still values: {read_well}");
    assert!(seed.is_some() || as_rust > runs / 100, "also to Rust: {as_rust}");
}

/// Says which run it was.
struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to run it again: HEDDLE_FUZZ_SEED={}", self.0);
        }
    }
}
