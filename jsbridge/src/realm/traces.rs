//! Where Deferreds were made, as text for the stacks of their errors.
//!
//! Nearly all are made at a few places, again and again, and few fail. So the text of a place is made when something is made
//! there for the first time, and then found again by the functions that are being called and where they are.

use crate::isolate::frames::{Frame, MOST};
use crate::isolate::handle::{JsResult, Scope};
use crate::isolate::kept::Kept;
use std::cell::RefCell;
use std::sync::Arc;

/// Places that are remembered; when there are more, all are forgotten.
const PLACES: usize = 64;

/// What an isolate remembers of them.
#[derive(Default)]
pub(crate) struct Traces(RefCell<Vec<Place>>);

struct Place {
    frames: Box<[Frame]>,
    /// The code of those functions: without it, other code could come to have its address.
    code: Vec<Kept>,
    text: Arc<str>,
}

impl Traces {
    /// The stack of who calls, as the engine writes it.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn here<'a>(&self, scope: Scope<'a>) -> JsResult<'a, Arc<str>> {
        let mut room = [Frame::default(); MOST];
        let Some(count) = scope.frames(&mut room) else { return text(scope) };
        let frames = &room[..count];
        if let Some(place) = self.0.borrow().iter().find(|place| *place.frames == *frames) {
            return Ok(place.text.clone());
        }
        // Scripts may change how errors are made, and make Deferreds there: nothing is borrowed meanwhile.
        let text = text(scope)?;
        if self.0.borrow().len() >= PLACES {
            self.forget(scope);
        }
        let code =
            frames.iter().filter_map(|&frame| scope.code_of(frame)).map(|code| scope.keep(code)).collect();
        self.0.borrow_mut().push(Place { frames: frames.into(), code, text: text.clone() });
        Ok(text)
    }

    /// Forgets all of them.
    pub(crate) fn forget(&self, scope: Scope<'_>) {
        let places = self.0.take();
        places.into_iter().flat_map(|place| place.code).for_each(|code| drop(scope.release(code)));
    }
}

fn text(scope: Scope<'_>) -> JsResult<'_, Arc<str>> {
    match scope.new_error()?.get(c"stack") {
        Ok(stack) if stack.is_string() => stack.text().map(Arc::from),
        // A script's `prepareStackTrace`, or a getter of its own, has made something else of it.
        _ => Ok(Arc::from("")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::inside;
    use crate::isolate::handle::{CStrSource, Handle};
    use crate::isolate::native::{Call, Native};

    struct Here;

    impl Native for Here {
        fn call<'a>(scope: Scope<'a>, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
            let text = scope.note::<Traces>().here(scope)?;
            scope.string(&text)
        }
    }

    #[test]
    fn what_is_remembered_is_what_the_engine_says() {
        inside(|scope| {
            scope.global().set(c"here", scope.new_function::<Here>(c"here", 0)?)?;
            let source = "const seen = [];
                function once() { return here(); }
                const deep = (n) => n === 0 ? here() : deep(n - 1);
                const wrong = (text) => { throw new Error(text); };
                for (let i = 0; i < 300; i++) {
                    const made = new Function(`return here();\\n// ${i}`);
                    const texts = [once(), once(), deep(i % 70), made(), [0].map(() => here())[0],
                        (() => { const a = here(), b = here(); return a === b ? wrong('one text, two places') : a; })()];
                    seen.push(texts.join('|'));
                    const expected = new Error('x').stack.split('\\n')[0].replace(/.*\\(/, '').replace(/:.*/, '');
                    for (const text of texts) {
                        if (!text.startsWith('    at here (native)\\n') || !text.includes(expected)) wrong(text);
                    }
                }
                for (let i = 70; i < 300; i++) if (seen[i] !== seen[i - 70]) wrong(seen[i]);
                let last;
                for (const changes of [false, true]) {
                    if (changes) Error.prepareStackTrace = () => ({ toString() { throw 1; } });
                    last = once();
                }
                seen.length + ' ' + last.includes('once') + ' ' + [here()][0]";
            let seen = scope.eval(c"test", &CStrSource::new(source))?.text()?;
            assert_eq!(seen, "300 true ");
            scope.note::<Traces>().forget(scope);
            Ok(())
        });
    }
}
