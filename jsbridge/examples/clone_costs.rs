//! What it costs to take values out of an isolate and to make them again, in microseconds, beside the engine's own writer
//! and reader (which lose things, see `docs/javascript.md`).
//!
//! `cargo run --release -p heddle-jsbridge --example clone_costs`, and `-- objects` for the samples with that in their names.

fn main() -> Result<(), heddle_jsbridge::Error> {
    println!("| value | write | read | engine's write | engine's read |\n|---|---|---|---|---|");
    for cost in heddle_jsbridge::clone_costs(&std::env::args().nth(1).unwrap_or_default())? {
        let micros = |nanos: f64| {
            if nanos < 9_950.0 { format!("{:.2}", nanos / 1e3) } else { format!("{:.0}", nanos / 1e3) }
        };
        let (write, read) = (micros(cost.ours.0), micros(cost.ours.1));
        let engine =
            cost.engine.map_or(("cannot".to_owned(), "".to_owned()), |(w, r)| (micros(w), micros(r)));
        println!("| {} | {write} | {read} | {} | {} |", cost.what, engine.0, engine.1);
    }
    Ok(())
}
