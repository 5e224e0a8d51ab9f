//! Which functions a script is in the middle of, and where: found in a hundred instructions, while the text of a stack
//! takes the engine ten thousand.
//!
//! ```text
//!   runtime                 frame, the innermost first        function
//!   | ... | frame |  ---->  |  0 | the one that called   |    | 18 | class id        u16 |
//!                           |  8 | function, a value     |    | 48 | code, if the class  |
//!                           | 48 | next instruction, of  |    |    | is one with code    |
//!                           |    | a function with code  |
//! ```
//!
//! Of this nothing is promised by the engine either, so it is tried once in a process, as for [`layout`](super::layout):
//! by a native that is called from two places of a function which is known. Where that does not look as drawn,
//! [`Scope::frames`] has no answer, and everybody asks the engine for the text.

use super::Isolate;
use super::handle::{CStrSource, Handle, JsResult, Scope};
use super::layout::address;
use super::native::{Call, Native};
use super::population::Population;
use crate::limits::Limits;
use rquickjs::qjs;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

mod offset {
    pub(super) const CALLER: usize = 0;
    pub(super) const FUNCTION: usize = 8;
    pub(super) const NEXT: usize = 48;
    pub(super) const CLASS: usize = 18;
    pub(super) const CODE: usize = 48;
}

/// Bytes of a frame, and of a runtime.
const FRAME: usize = 80;
const RUNTIME: usize = 1_496;
/// How far above a native's own frame the engine's for it may be.
const NEAR: usize = 16 << 10;
/// Kinds of functions with code: plain, generators, async, both.
const KINDS: usize = 4;
/// As many as the engine puts into a text at most.
pub(crate) const MOST: usize = 64;

/// A function that is being called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The address of its code; null for one of the host's or the engine's.
    code: usize,
    /// The address of the instruction that it goes on with.
    next: usize,
}

/// Where the engine has them.
#[derive(Clone, Copy, Debug)]
struct Places {
    /// The runtime's field with the innermost one.
    innermost: usize,
    classes: [u16; KINDS],
}

static PLACES: OnceLock<Option<Places>> = OnceLock::new();

/// # Safety
/// There is a `T` so many bytes behind that address.
unsafe fn at<T: Copy>(address: usize, offset: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::with_exposed_provenance::<T>(address + offset).read() }
}

impl Places {
    /// # Safety
    /// It is the address of a frame.
    unsafe fn frame(self, frame: usize) -> Frame {
        // SAFETY: the caller's promise, and the picture above.
        unsafe {
            let function: usize = at(frame, offset::FUNCTION);
            if self.classes.contains(&at(function, offset::CLASS)) {
                Frame { code: at(function, offset::CODE), next: at(frame, offset::NEXT) }
            } else {
                Frame::default()
            }
        }
    }
}

impl<'a> Scope<'a> {
    /// The functions that are being called, the innermost first, as many as there is room for, and how many these are.
    /// `None`: that cannot be told.
    pub(crate) fn frames(self, room: &mut [Frame; MOST]) -> Option<usize> {
        let places = (*PLACES.get()?)?;
        // SAFETY: the places were tried; the frames of those that are being called are there.
        unsafe {
            let mut frame: usize = at(self.runtime().expose_provenance(), places.innermost);
            let mut count = 0;
            while frame != 0 && count < MOST {
                room[count] = places.frame(frame);
                count += 1;
                frame = at(frame, offset::CALLER);
            }
            Some(count)
        }
    }

    /// A reference to the code of one of them, if it has some: as long as there is one, no other code has its address.
    pub(crate) fn code_of(self, frame: Frame) -> Option<Handle<'a>> {
        let code = std::ptr::with_exposed_provenance_mut(frame.code);
        // SAFETY: we are inside, and the function of that code is being called, so the code is there. A reference to it is a
        // value with that tag.
        (frame.code != 0).then(|| unsafe {
            let value = qjs::JS_MKPTR(qjs::JS_TAG_FUNCTION_BYTECODE, code);
            self.own(qjs::JS_DupValue(self.as_ptr(), value))
        })
    }
}

/// Finds out whether frames can be told, if nobody has.
pub(super) fn find() {
    PLACES.get_or_init(|| {
        let population = Arc::new(Population::new(1));
        let mut isolate = Isolate::untuned(Limits::DEFAULT, population.house()).ok()?;
        isolate.furnish(|scope| Ok(try_out(scope)?)).ok()?
    });
}

/// Where in the runtime there was something that may be a frame, each time that the native was called.
#[derive(Default)]
struct Seen(RefCell<Vec<Vec<usize>>>);

struct Look;

impl Native for Look {
    fn call<'a>(scope: Scope<'a>, call: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let here = (&raw const call).expose_provenance();
        let own = address(call.argument(0).raw()).as_ptr().expose_provenance();
        let runtime = scope.runtime().expose_provenance();
        let places = (0..RUNTIME).step_by(size_of::<usize>());
        let candidates = places.filter(|&place| {
            // SAFETY: a runtime of this version has so many bytes.
            let frame = unsafe { at::<usize>(runtime, place) };
            let is_near = frame.is_multiple_of(8) && frame > here && frame + FRAME <= here + NEAR;
            // SAFETY: it is in the frames of the functions that have called this one.
            is_near && unsafe { at::<usize>(frame, offset::FUNCTION) } == own
        });
        scope.note::<Seen>().0.borrow_mut().push(candidates.collect());
        Ok(scope.undefined())
    }
}

fn try_out(scope: Scope<'_>) -> JsResult<'_, Option<Places>> {
    // A sanitizer minds words between the variables of a stack, which are looked at here until the right one is found.
    if cfg!(not(target_pointer_width = "64")) || cfg!(feature = "sanitizer") {
        return Ok(None);
    }
    // Two functions of one code, a third one, and one of each other kind.
    let source = "(() => { const make = () => function (look, note) { look(look); note(look); };
        return [make(), make(), function () {}, function* () {}, async function () {}, async function* () {}]; })()";
    let samples = scope.eval(c"frames", &CStrSource::new(source))?.to_vec()?;
    let [one, twin, other, generator, in_async, both] = samples.as_slice() else { return Ok(None) };
    let look = scope.new_function::<Look>(c"look", 0)?;
    // SAFETY: these are functions with code.
    let code = |function: &Handle<'_>| unsafe {
        at::<usize>(address(function.raw()).as_ptr().expose_provenance(), offset::CODE)
    };
    // SAFETY: these are objects.
    let class = |function: &Handle<'_>| unsafe {
        at::<u16>(address(function.raw()).as_ptr().expose_provenance(), offset::CLASS)
    };
    let classes = [class(one), class(generator), class(in_async), class(both)];
    let is_as_drawn = code(one) == code(twin)
        && code(one) != code(other)
        && class(one) == class(other)
        && !classes.contains(&class(&look));
    one.call(&scope.undefined(), &[&look, &look])?;
    twin.call(&scope.undefined(), &[&look, &look])?;
    let seen = scope.note::<Seen>().0.take();
    let Some(&[innermost]) = seen.first().map(Vec::as_slice) else { return Ok(None) };
    if !is_as_drawn || seen.len() != 4 || seen.iter().any(|places| *places != [innermost]) {
        return Ok(None);
    }
    let places = Places { innermost, classes };
    let check = scope.new_function::<Check>(c"check", 0)?;
    scope.note::<Checked>().0.borrow_mut().0 = Some(places);
    one.call(&scope.undefined(), &[&check, &check])?;
    twin.call(&scope.undefined(), &[&check, &check])?;
    let (_, callers) = scope.note::<Checked>().0.take();
    let [first, second, third, fourth] = callers.as_slice() else { return Ok(None) };
    // The same code, from two places that are near each other, both times.
    let good = first.code == code(one)
        && second.code == code(one)
        && first.next < second.next
        && second.next - first.next < 64
        && first == third
        && second == fourth;
    Ok(good.then_some(places))
}

/// Reads the caller's frame by the places that are tried.
struct Check;

#[derive(Default)]
struct Checked(RefCell<(Option<Places>, Vec<Frame>)>);

impl Native for Check {
    fn call<'a>(scope: Scope<'a>, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
        let mut checked = scope.note::<Checked>().0.borrow_mut();
        if let Some(places) = checked.0 {
            // SAFETY: four times this was the frame of a native that was called as this one is now; the other one above it is
            // that of a function with code, which has called this one.
            let frame = unsafe {
                let own: usize = at(scope.runtime().expose_provenance(), places.innermost);
                places.frame(at(own, offset::CALLER))
            };
            checked.1.push(frame);
        }
        Ok(scope.undefined())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::inside;

    #[test]
    fn the_engine_has_its_frames_where_we_look() {
        inside(|scope| {
            assert!(PLACES.get().is_some_and(Option::is_some), "traces would be made the slow way");
            // Nothing is being called here.
            assert_eq!(scope.frames(&mut [Frame::default(); MOST]), Some(0));
            Ok(())
        });
    }

    struct Count;

    impl Native for Count {
        fn call<'a>(scope: Scope<'a>, _: Call<'a, '_>) -> JsResult<'a, Handle<'a>> {
            let mut frames = [Frame::default(); MOST];
            let count = scope.frames(&mut frames).unwrap_or(0);
            let with_code = frames[..count].iter().filter(|frame| frame.code != 0).count();
            assert!(frames[..count].iter().all(|&frame| (frame.code != 0) == scope.code_of(frame).is_some()));
            scope.new_array().and_then(|pair| {
                pair.set_at(0, scope.number(count as f64))?;
                pair.set_at(1, scope.number(with_code as f64))?;
                Ok(pair)
            })
        }
    }

    #[test]
    fn all_that_is_being_called_is_seen() {
        inside(|scope| {
            scope.global().set(c"count", scope.new_function::<Count>(c"count", 0)?)?;
            let source = "const deep = (n) => n === 0 ? count() : deep(n - 1);
                function* generator() { yield count(); }
                String([count(), deep(0), deep(5), [0].map(() => count())[0], generator().next().value, deep(200)])";
            // Each time the native itself and the script; then what is between.
            let seen = scope.eval(c"test", &CStrSource::new(source))?.text()?;
            assert_eq!(seen, "2,1,3,2,8,7,4,2,4,2,64,63");
            Ok(())
        });
    }
}
