//! The engine's instructions: how long each is, and what of it the scan must see.
//!
//! From `quickjs-opcode.h` of quickjs-ng 0.16.2, whose serialized code has version 28: the order there is the number,
//! without those that are gone when a function is compiled (written `def` in lower case). A table of another version
//! would read nonsense, so [`facts`](super::facts) compiles functions whose listing is known and compares, once per
//! process, before anything relies on this.

/// The version of serialized code that the table is for.
pub(super) const VERSION: u8 = 28;

/// What follows an instruction's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// Nothing that names something.
    Other,
    /// An atom in the next four bytes.
    Atom,
}

use Operand::{Atom, Other};

/// Of one kind of instruction: its name, its bytes, its operand.
pub(super) type Row = (&'static str, u8, Operand);

// Those that the scan knows by name.
pub(super) const PUSH_THIS: u8 = 8;
pub(super) const SPECIAL_OBJECT: u8 = 12;
pub(super) const THROW_ERROR: u8 = 49;
pub(super) const EVAL: u8 = 50;
pub(super) const APPLY_EVAL: u8 = 51;
pub(super) const IMPORT: u8 = 54;
pub(super) const GET_VAR_UNDEF: u8 = 55;
pub(super) const GET_VAR: u8 = 56;
pub(super) const PUT_VAR: u8 = 57;
pub(super) const PUT_VAR_INIT: u8 = 58;
pub(super) const DEFINE_VAR: u8 = 61;
pub(super) const CHECK_DEFINE_VAR: u8 = 62;
pub(super) const DEFINE_FUNC: u8 = 63;
pub(super) const CHECK_CTOR: u8 = 43;
pub(super) const INIT_CTOR: u8 = 44;
pub(super) const MAKE_VAR_REF: u8 = 124;
pub(super) const DELETE_VAR: u8 = 152;
pub(super) const WITH_GET_VAR: u8 = 115;
pub(super) const WITH_PUT_VAR: u8 = 116;
pub(super) const WITH_DELETE_VAR: u8 = 117;
pub(super) const WITH_MAKE_REF: u8 = 118;
pub(super) const WITH_GET_REF: u8 = 119;
pub(super) const WITH_GET_REF_UNDEF: u8 = 120;
pub(super) const DEFINE_CLASS: u8 = 85;
pub(super) const DEFINE_CLASS_COMPUTED: u8 = 86;

/// By number.
pub(super) const TABLE: [Row; 252] = [
    ("invalid", 1, Other),
    ("push_i32", 5, Other),
    ("push_const", 5, Other),
    ("fclosure", 5, Other),
    ("push_atom_value", 5, Atom),
    ("private_symbol", 5, Atom),
    ("undefined", 1, Other),
    ("null", 1, Other),
    ("push_this", 1, Other),
    ("push_false", 1, Other),
    ("push_true", 1, Other),
    ("object", 1, Other),
    ("special_object", 2, Other),
    ("rest", 3, Other),
    ("drop", 1, Other),
    ("nip", 1, Other),
    ("nip1", 1, Other),
    ("dup", 1, Other),
    ("dup1", 1, Other),
    ("dup2", 1, Other),
    ("dup3", 1, Other),
    ("insert2", 1, Other),
    ("insert3", 1, Other),
    ("insert4", 1, Other),
    ("perm3", 1, Other),
    ("perm4", 1, Other),
    ("perm5", 1, Other),
    ("swap", 1, Other),
    ("swap2", 1, Other),
    ("rot3l", 1, Other),
    ("rot3r", 1, Other),
    ("rot4l", 1, Other),
    ("rot5l", 1, Other),
    ("call_constructor", 3, Other),
    ("call", 3, Other),
    ("tail_call", 3, Other),
    ("call_method", 3, Other),
    ("tail_call_method", 3, Other),
    ("array_from", 3, Other),
    ("apply", 3, Other),
    ("return", 1, Other),
    ("return_undef", 1, Other),
    ("check_ctor_return", 1, Other),
    ("check_ctor", 1, Other),
    ("init_ctor", 1, Other),
    ("check_brand", 1, Other),
    ("add_brand", 1, Other),
    ("return_async", 1, Other),
    ("throw", 1, Other),
    ("throw_error", 6, Atom),
    ("eval", 5, Other),
    ("apply_eval", 3, Other),
    ("regexp", 1, Other),
    ("get_super", 1, Other),
    ("import", 1, Other),
    ("get_var_undef", 5, Atom),
    ("get_var", 5, Atom),
    ("put_var", 5, Atom),
    ("put_var_init", 5, Atom),
    ("get_ref_value", 1, Other),
    ("put_ref_value", 1, Other),
    ("define_var", 6, Atom),
    ("check_define_var", 6, Atom),
    ("define_func", 6, Atom),
    ("get_field", 5, Atom),
    ("get_field2", 5, Atom),
    ("put_field", 5, Atom),
    ("get_private_field", 1, Other),
    ("put_private_field", 1, Other),
    ("define_private_field", 1, Other),
    ("get_array_el", 1, Other),
    ("get_array_el2", 1, Other),
    ("put_array_el", 1, Other),
    ("get_super_value", 1, Other),
    ("put_super_value", 1, Other),
    ("define_field", 5, Atom),
    ("set_name", 5, Atom),
    ("set_name_computed", 1, Other),
    ("set_proto", 1, Other),
    ("set_home_object", 1, Other),
    ("define_array_el", 1, Other),
    ("append", 1, Other),
    ("copy_data_properties", 2, Other),
    ("define_method", 6, Atom),
    ("define_method_computed", 2, Other),
    ("define_class", 6, Atom),
    ("define_class_computed", 6, Atom),
    ("get_loc", 3, Other),
    ("put_loc", 3, Other),
    ("set_loc", 3, Other),
    ("get_arg", 3, Other),
    ("put_arg", 3, Other),
    ("set_arg", 3, Other),
    ("get_var_ref", 3, Other),
    ("put_var_ref", 3, Other),
    ("set_var_ref", 3, Other),
    ("set_loc_uninitialized", 3, Other),
    ("get_loc_check", 3, Other),
    ("put_loc_check", 3, Other),
    ("put_loc_check_init", 3, Other),
    ("get_var_ref_check", 3, Other),
    ("put_var_ref_check", 3, Other),
    ("put_var_ref_check_init", 3, Other),
    ("close_loc", 3, Other),
    ("if_false", 5, Other),
    ("if_true", 5, Other),
    ("goto", 5, Other),
    ("catch", 5, Other),
    ("gosub", 5, Other),
    ("ret", 1, Other),
    ("nip_catch", 1, Other),
    ("check_object", 1, Other),
    ("to_object", 1, Other),
    ("to_propkey", 1, Other),
    ("to_propkey2", 1, Other),
    ("with_get_var", 10, Atom),
    ("with_put_var", 10, Atom),
    ("with_delete_var", 10, Atom),
    ("with_make_ref", 10, Atom),
    ("with_get_ref", 10, Atom),
    ("with_get_ref_undef", 10, Atom),
    ("make_loc_ref", 7, Atom),
    ("make_arg_ref", 7, Atom),
    ("make_var_ref_ref", 7, Atom),
    ("make_var_ref", 5, Atom),
    ("for_in_start", 1, Other),
    ("for_of_start", 1, Other),
    ("for_await_of_start", 1, Other),
    ("for_in_next", 1, Other),
    ("for_of_next", 2, Other),
    ("iterator_get_value_done", 1, Other),
    ("iterator_close", 1, Other),
    ("iterator_next", 1, Other),
    ("iterator_call", 2, Other),
    ("initial_yield", 1, Other),
    ("yield", 1, Other),
    ("yield_star", 1, Other),
    ("async_yield_star", 1, Other),
    ("await", 1, Other),
    ("neg", 1, Other),
    ("plus", 1, Other),
    ("dec", 1, Other),
    ("inc", 1, Other),
    ("post_dec", 1, Other),
    ("post_inc", 1, Other),
    ("dec_loc", 2, Other),
    ("inc_loc", 2, Other),
    ("add_loc", 2, Other),
    ("not", 1, Other),
    ("lnot", 1, Other),
    ("typeof", 1, Other),
    ("delete", 1, Other),
    ("delete_var", 5, Atom),
    ("mul", 1, Other),
    ("div", 1, Other),
    ("mod", 1, Other),
    ("add", 1, Other),
    ("sub", 1, Other),
    ("shl", 1, Other),
    ("sar", 1, Other),
    ("shr", 1, Other),
    ("and", 1, Other),
    ("xor", 1, Other),
    ("or", 1, Other),
    ("pow", 1, Other),
    ("lt", 1, Other),
    ("lte", 1, Other),
    ("gt", 1, Other),
    ("gte", 1, Other),
    ("instanceof", 1, Other),
    ("in", 1, Other),
    ("eq", 1, Other),
    ("neq", 1, Other),
    ("strict_eq", 1, Other),
    ("strict_neq", 1, Other),
    ("is_undefined_or_null", 1, Other),
    ("private_in", 1, Other),
    ("push_bigint_i32", 5, Other),
    ("using_dispose_init", 1, Other),
    ("using_dispose", 3, Other),
    ("using_dispose_async", 3, Other),
    ("using_dispose_merge", 1, Other),
    ("using_dispose_end", 1, Other),
    ("using_check", 2, Other),
    ("nop", 1, Other),
    ("push_minus1", 1, Other),
    ("push_0", 1, Other),
    ("push_1", 1, Other),
    ("push_2", 1, Other),
    ("push_3", 1, Other),
    ("push_4", 1, Other),
    ("push_5", 1, Other),
    ("push_6", 1, Other),
    ("push_7", 1, Other),
    ("push_i8", 2, Other),
    ("push_i16", 3, Other),
    ("push_const8", 2, Other),
    ("fclosure8", 2, Other),
    ("push_empty_string", 1, Other),
    ("get_loc8", 2, Other),
    ("put_loc8", 2, Other),
    ("set_loc8", 2, Other),
    ("get_loc0_loc1", 1, Other),
    ("get_loc0", 1, Other),
    ("get_loc1", 1, Other),
    ("get_loc2", 1, Other),
    ("get_loc3", 1, Other),
    ("put_loc0", 1, Other),
    ("put_loc1", 1, Other),
    ("put_loc2", 1, Other),
    ("put_loc3", 1, Other),
    ("set_loc0", 1, Other),
    ("set_loc1", 1, Other),
    ("set_loc2", 1, Other),
    ("set_loc3", 1, Other),
    ("get_arg0", 1, Other),
    ("get_arg1", 1, Other),
    ("get_arg2", 1, Other),
    ("get_arg3", 1, Other),
    ("put_arg0", 1, Other),
    ("put_arg1", 1, Other),
    ("put_arg2", 1, Other),
    ("put_arg3", 1, Other),
    ("set_arg0", 1, Other),
    ("set_arg1", 1, Other),
    ("set_arg2", 1, Other),
    ("set_arg3", 1, Other),
    ("get_var_ref0", 1, Other),
    ("get_var_ref1", 1, Other),
    ("get_var_ref2", 1, Other),
    ("get_var_ref3", 1, Other),
    ("put_var_ref0", 1, Other),
    ("put_var_ref1", 1, Other),
    ("put_var_ref2", 1, Other),
    ("put_var_ref3", 1, Other),
    ("set_var_ref0", 1, Other),
    ("set_var_ref1", 1, Other),
    ("set_var_ref2", 1, Other),
    ("set_var_ref3", 1, Other),
    ("get_length", 1, Other),
    ("if_false8", 2, Other),
    ("if_true8", 2, Other),
    ("goto8", 2, Other),
    ("goto16", 3, Other),
    ("call0", 1, Other),
    ("call1", 1, Other),
    ("call2", 1, Other),
    ("call3", 1, Other),
    ("is_undefined", 1, Other),
    ("is_null", 1, Other),
    ("typeof_is_undefined", 1, Other),
    ("typeof_is_function", 1, Other),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_and_the_numbers_agree() {
        let named = [
            (PUSH_THIS, "push_this"),
            (SPECIAL_OBJECT, "special_object"),
            (THROW_ERROR, "throw_error"),
            (EVAL, "eval"),
            (APPLY_EVAL, "apply_eval"),
            (IMPORT, "import"),
            (GET_VAR_UNDEF, "get_var_undef"),
            (GET_VAR, "get_var"),
            (PUT_VAR, "put_var"),
            (PUT_VAR_INIT, "put_var_init"),
            (DEFINE_VAR, "define_var"),
            (CHECK_DEFINE_VAR, "check_define_var"),
            (DEFINE_FUNC, "define_func"),
            (CHECK_CTOR, "check_ctor"),
            (INIT_CTOR, "init_ctor"),
            (MAKE_VAR_REF, "make_var_ref"),
            (DELETE_VAR, "delete_var"),
            (WITH_GET_VAR, "with_get_var"),
            (WITH_PUT_VAR, "with_put_var"),
            (WITH_DELETE_VAR, "with_delete_var"),
            (WITH_MAKE_REF, "with_make_ref"),
            (WITH_GET_REF, "with_get_ref"),
            (WITH_GET_REF_UNDEF, "with_get_ref_undef"),
            (DEFINE_CLASS, "define_class"),
            (DEFINE_CLASS_COMPUTED, "define_class_computed"),
        ];
        for (number, name) in named {
            assert_eq!(TABLE[usize::from(number)].0, name);
        }
    }

    #[test]
    fn every_instruction_is_long_enough_for_its_operand() {
        for (name, length, operand) in TABLE {
            assert!(length >= if operand == Atom { 5 } else { 1 }, "{name}");
        }
    }
}
