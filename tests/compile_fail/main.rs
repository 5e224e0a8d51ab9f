//! What the types refuse, each in a file of its own, with what the compiler says to it. When a newer
//! compiler says it in other words, and still for the same reason, `TRYBUILD=overwrite` writes it down
//! anew. The cases use as little as they can, so that what is said changes rarely.

#[test]
fn what_the_types_refuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("compile_fail/cases/*.rs");
}
