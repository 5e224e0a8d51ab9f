//! What scripts have of the host. All of it is here, and it is little on purpose: no files, no
//! network, no clock but the engine's.

pub(crate) mod lazy;
pub(crate) mod intrinsics;
pub(crate) mod inspect;
pub(crate) mod console;
pub(crate) mod events;
pub(crate) mod text;
pub(crate) mod timers;
pub(crate) mod structured_clone;
pub(crate) mod program;
#[cfg(test)]
pub(crate) mod testing;

use crate::deferred::natives::DeferredGlobal;
use crate::isolate::handle::{JsResult, Scope};
use crate::isolate::table::Entry;
use crate::realm::Local;
use console::Console;

static DEFERRED: [Entry; 1] = [lazy::lazy::<DeferredGlobal>(0)];

/// Gives a new isolate all that scripts have of the host; before the first script.
pub(crate) fn furnish<'a>(scope: Scope<'a>, console: &Console) -> JsResult<'a, ()> {
    intrinsics::take(scope)?;
    scope.load_modules_from(None);
    scope.wait_async_by(|scope, wish| Local::of(scope).wait_async(scope, wish));
    scope.show_errors_with(|thrown| inspect::inspect(thrown, &inspect::Options::default()).ok());
    console.install(scope)?;
    let global = scope.global();
    global.define_table(&events::TABLE)?;
    global.define_table(&text::TABLE)?;
    global.define_table(&timers::TABLE)?;
    global.define_table(&structured_clone::TABLE)?;
    global.define_table(&DEFERRED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_furnished_isolate_is_ready_soon() {
        let mut times = Vec::new();
        for _ in 0..200 {
            times.push(testing::inside(|scope| {
                let begun = Instant::now();
                furnish(scope, &Console::new(|_, _| {}))?;
                Ok(begun.elapsed())
            }));
        }
        times.sort();
        println!("furnishing an isolate: median {:?}, longest {:?}", times[100], times[199]);
    }
}
