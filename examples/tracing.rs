//! Spans of a trace over fibers: `cargo run -p heddle-scheduler --example tracing`.
//!
//! The `tracing` crate leaves it to the subscriber which span is the current one, and the usual subscribers keep that
//! per *thread*. A fiber that suspends inside a span would leave it to whoever runs next on its thread. So:
//!
//! | what                       | where it belongs                                                       |
//! |----------------------------|------------------------------------------------------------------------|
//! | the spans that are entered | the fiber: a `fiber_local!`, which suspends and resumes with it        |
//! | the span of the maker      | the context: a `context_local!`, which fibers inherit, detached ones too |
//!
//! A subscriber that keeps its stack of spans so needs no help: `span.enter()` may be held over anything that blocks.
//! With a subscriber that keeps it per thread, enter a span only around code that does not suspend
//! (`SPAN.with(|span| span.in_scope(|| ...))`), at each log line if need be.

use heddle_scheduler::{Scheduler, context_local, fiber_local, go, sleep, yield_now};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Span, Subscriber, info, info_span};

fiber_local! {
    /// The spans that this fiber has entered, innermost last.
    static ENTERED: RefCell<Vec<u64>> = RefCell::new(Vec::new());
}

context_local! {
    /// The span in which this fiber was made.
    static MAKER: Span;
}

/// What a span says, and its parent.
type Known = (String, Option<u64>);

/// Writes each event with the spans around it.
#[derive(Clone, Default)]
struct Lines {
    next: Arc<AtomicU64>,
    spans: Arc<Mutex<HashMap<u64, Known>>>,
    written: Arc<Mutex<Vec<String>>>,
}

impl Lines {
    fn current() -> Option<u64> {
        let entered = ENTERED.try_with(|entered| entered.borrow().last().copied()).ok().flatten();
        entered.or_else(|| MAKER.with(|span| span?.id().map(|id| id.into_u64())))
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut text = Text(span.metadata().name().to_owned());
        span.record(&mut text);
        let parent = span.parent().map_or_else(Lines::current, |parent| Some(parent.into_u64()));
        self.spans.lock().expect("nobody panics here").insert(id, (text.0, parent));
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Text(String::new());
        event.record(&mut line);
        let spans = self.spans.lock().expect("nobody panics here");
        let mut next = Lines::current();
        while let Some((text, parent)) = next.and_then(|id| spans.get(&id)) {
            line.0.insert_str(0, &format!("{text}: "));
            next = *parent;
        }
        self.written.lock().expect("nobody panics here").push(line.0);
    }

    fn enter(&self, span: &Id) {
        ENTERED.with(|entered| entered.borrow_mut().push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        // Also from a destructor at the fiber's end, when there may be none any more.
        let _ = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            if let Some(at) = entered.iter().rposition(|&id| id == span.into_u64()) {
                entered.remove(at);
            }
        });
    }
}

/// The fields of a span or an event, as text.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Serves a request, with helpers in fibers of their own.
fn serve(request: u32) {
    let span = info_span!("request", id = request);
    let _entered = span.enter();
    info!("begun");
    // Others run on this thread meanwhile, each in its own span.
    sleep(Duration::from_micros(u64::from(7 * request % 5) * 100));
    let helper = MAKER.scope(span.clone(), || {
        go(|| {
            yield_now();
            info!("helped");
            go(|| info!("helped by a grandchild")).join().expect("it only logs");
        })
    });
    helper.join().expect("it only logs");
    info!("done");
}

fn main() -> Result<(), heddle_scheduler::Error> {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("it is the first");
    let scheduler = Scheduler::builder().workers(2).build()?;
    scheduler.scope(|s| {
        for request in 0..100 {
            s.go(move || serve(request));
        }
    });
    let mut written = lines.written.lock().expect("nobody panics here").clone();
    written.sort();
    for request in 0..100 {
        for what in ["begun", "done", "helped", "helped by a grandchild"] {
            let line = format!("request id={request}: {what}");
            assert!(written.binary_search(&line).is_ok(), "there is no line {line:?}");
        }
    }
    assert_eq!(written.len(), 400, "and no others");
    println!(
        "{}\n400 lines of 100 requests at once on two threads, each with the span that it belongs to",
        written[0]
    );
    Ok(())
}
