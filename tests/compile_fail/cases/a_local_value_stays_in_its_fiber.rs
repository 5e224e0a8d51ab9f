//! The value of a fiber is lent for a call, as it ends with the fiber.

heddle_scheduler::fiber_local! {
    static NAME: String = String::new();
}

fn main() {
    let _name: &'static String = NAME.with(|name| name);
}
