//! A context is inherited by fibers of other threads, so its value is `Send` and `Sync`.

heddle_scheduler::context_local! {
    static COUNT: std::rc::Rc<u32>;
}

fn main() {
    COUNT.with(|count| drop(count.cloned()));
}
