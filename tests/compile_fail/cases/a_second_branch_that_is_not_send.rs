//! The second branch of a fork may run on another thread.

use std::rc::Rc;

fn main() {
    let here = Rc::new(1);
    let also = here.clone();
    heddle_scheduler::both(|| println!("{here}"), || println!("{also}"));
}
