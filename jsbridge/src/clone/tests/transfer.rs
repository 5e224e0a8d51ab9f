//! Buffers that move, and memory that is shared.

use super::*;

#[test]
fn transferred_buffers_move_with_their_memory() {
    test(
        r#"
        for (const n of [0, 1, 4095, 4096, 5000, 1 << 20]) {
            const b = new ArrayBuffer(n), u = new Uint8Array(b, 0, n); u.fill(7);
            const c = clone({b, u, again: b}, [b]);
            is(b.byteLength, 0); check(b.detached, 'detached'); is(u.length, 0);
            is(c.b.byteLength, n); is(c.u.buffer, c.b); is(c.again, c.b); check(c.u.every(x => x === 7), 'the bytes');
            // And on, and back.
            const d = clone(c.u, [c.b]); check(c.b.detached, 'once more'); is(d.length, n); is(clone([d, d.buffer], [d.buffer])[0].length, n);
            const r = new ArrayBuffer(n, {maxByteLength: n + 9}), t = clone(r, [r]); is(t.maxByteLength, n + 9); t.resize(n + 9); is(new Uint8Array(t)[n], 0);
            const v = clone(t, [t]); v.resize(1); is(v.transfer(3).byteLength, 3); is(clone(7, [new ArrayBuffer(n)]), 7);
            const w = new ArrayBuffer(n), x = clone(w, [w]); is(x.transfer(n + 1).byteLength, n + 1); is(x.byteLength, 0);
            is(x.slice === undefined, false); try { x.slice(0); check(false, 'detached'); } catch (e) { check(e instanceof TypeError, e); }
        }
        "#,
    );
}

#[test]
fn what_cannot_be_transferred_is_refused_and_nothing_is_taken() {
    test(
        r#"
        const good = new ArrayBuffer(5000), gone = new ArrayBuffer(8); gone.transfer();
        for (const [list, message] of [
            [[good, good], 'transfer[1] is in the list twice'],
            [[good, gone], 'transfer[1] is a detached ArrayBuffer and cannot be transferred'],
            [[good, new SharedArrayBuffer(8)], 'transfer[1] is a SharedArrayBuffer, which is shared and not transferred; leave it out of the list'],
            [[good, new Uint8Array(8)], 'transfer[1] is no ArrayBuffer and cannot be transferred'],
            [[good, {}], 'transfer[1] is no ArrayBuffer and cannot be transferred'],
            [[good, null], 'transfer[1] is no ArrayBuffer and cannot be transferred'],
            [[5], 'transfer[0] is no ArrayBuffer and cannot be transferred'],
            [[new Proxy(good, {})], 'transfer[0] is no ArrayBuffer and cannot be transferred'],
            [[good, good.transferToImmutable ? new ArrayBuffer(8).transferToImmutable() : {}], 'transfer[1]'],
        ]) { const m = refused(1, list); check(m.startsWith(message), m); is(good.byteLength, 5000); }
        refused([() => 1], [good]); is(good.byteLength, 5000);
        let caught; try { clone({get x() { throw 5; }}, [good]); } catch (e) { caught = e; } is(caught, 5); is(good.byteLength, 5000);
        // A getter takes the buffer first.
        is(refused({get x() { good.transfer(); return 1; }}, [good]), 'transfer[0] is a detached ArrayBuffer and cannot be transferred');
        const b = new ArrayBuffer(5000), view = new Uint8Array(b); check((m => m.startsWith('value[1] is a view of an ArrayBuffer that is detached'))(refused([{get x() { b.transfer(); return 1; }}, view])), 'gone');
        const s = new ArrayBuffer(5000, {maxByteLength: 5000}), t = new Uint8Array(s, 0, 4000);
        try { clone([t, {get x() { s.resize(10); return 1; }}], [s]); check(false, 'too short for its view'); } catch (e) { check(e instanceof RangeError, String(e)); }
        "#,
    );
}

#[test]
fn memory_moves_between_isolates_and_is_charged_to_who_has_it() {
    let (mut sender, mut receiver) = (isolate(), isolate());
    for unread in [false, true] {
        let (before, there) = (sender.memory_used(), receiver.memory_used());
        let message = enter(&mut sender, |scope| {
            let value = eval(scope, "var sent = new Uint8Array(1 << 24).fill(9); sent")?;
            let buffer = value.get(c"buffer")?;
            let message = write(scope, &[value], &[buffer], &|_| "value".to_owned())?;
            assert!(eval(scope, "sent.length")?.text()? == "0");
            Ok(message)
        });
        let message = message.unwrap();
        assert!(sender.memory_used() < before + 100_000, "the sender has it no longer");
        assert!(message.size() > 1 << 24);
        if unread {
            drop(message);
            continue;
        }
        let received = enter(&mut receiver, |scope| {
            let value = read(scope, message)?.remove(0);
            scope.global().set(c"got", value)?;
            Ok(eval(scope, "got.length === 1 << 24 && got[12345] === 9")?.is_truthy())
        });
        assert_eq!(received, Ok(true));
        assert!(receiver.memory_used() > there + (1 << 24), "the receiver is charged");
        enter(&mut receiver, |scope| Ok(eval(scope, "got = null")?.is_null())).unwrap();
        assert!(receiver.memory_used() < there + 100_000, "and gives it back");
    }
}

#[test]
fn a_receiver_without_room_refuses_and_frees() {
    let (mut sender, mut receiver) = (isolate(), isolate_of(1 << 20));
    for source in ["new ArrayBuffer(1 << 24)", "new SharedArrayBuffer(1 << 24)"] {
        for transferred in [true, false] {
            let message = enter(&mut sender, |scope| {
                let value = eval(scope, source)?;
                let list = if transferred && source.contains("new A") { vec![value.clone()] } else { vec![] };
                Ok(write(scope, &[value], &list, &|_| "value".to_owned())?)
            });
            let message = message.unwrap();
            let result = enter(&mut receiver, |scope| {
                read(scope, message)?;
                Ok(())
            });
            assert!(result.unwrap_err().is_out_of_memory());
        }
    }
    let still_good = enter(&mut receiver, |scope| Ok(eval(scope, "1 + 1")?.to_number()?));
    assert_eq!(still_good, Ok(2.0));
}

#[test]
fn shared_memory_is_one_in_all_isolates_and_ends_with_the_last() {
    let (mut sender, mut receiver) = (isolate(), isolate());
    let message = enter(&mut sender, |scope| {
        let value = eval(
            scope,
            "var s = new SharedArrayBuffer(12345); var a = new Int32Array(s, 4, 8); a[0] = 5; [s, a]",
        )?;
        Ok(write(scope, &[value], &[], &|_| "value".to_owned())?)
    });
    let message = message.unwrap();
    let second = enter(&mut sender, |scope| {
        Ok(write(scope, &[eval(scope, "[s, a]")?], &[], &|_| "value".to_owned())?)
    });
    let block = enter(&mut receiver, |scope| {
        scope.global().set(c"got", read(scope, message)?.remove(0))?;
        scope.global().set(c"twice", read(scope, second.unwrap())?.remove(0))?;
        eval(
            scope,
            "if (got[0].byteLength !== 12345 || got[1].buffer !== got[0] || Atomics.add(got[1], 0, 2) !== 5) throw 1; twice[1][7] = 3",
        )?;
        Ok(scope.share(eval(scope, "got[0]")?.raw())?)
    });
    let block = block.unwrap();
    let seen = enter(&mut sender, |scope| Ok(eval(scope, "a[0] * 10 + a[7]")?.to_number()?));
    assert_eq!(seen, Ok(73.0));
    drop(sender);
    let alone = enter(&mut receiver, |scope| Ok(eval(scope, "got[1][0] + twice[1][0]")?.to_number()?));
    assert_eq!(alone, Ok(14.0));
    assert!(block.references() > 1);
    drop(receiver);
    assert_eq!(block.references(), 1, "ours is the last");
}
