//! Buffers that move instead of being copied.
//!
//! They are checked before anything is written, and taken when everything is: what a getter throws, and what cannot be
//! cloned, leaves them where they are. In between a getter may have detached one; so they are checked again.

use super::kinds::Kind;
use super::refusal;
use super::special::longest;
use super::write::Writer;
use crate::isolate::handle::{Handle, JsResult};
use crate::isolate::intrinsics::Intrinsic;
use rquickjs::qjs;

/// The buffers to be taken, which have the first indices in the message.
pub(super) struct Transfer<'a>(Vec<Handle<'a>>);

impl<'a> Transfer<'a> {
    pub(super) fn check(writer: &mut Writer<'a, '_>, list: &[Handle<'a>]) -> JsResult<'a, Transfer<'a>> {
        for (index, buffer) in list.iter().enumerate() {
            let what = if !buffer.is_object() {
                Some("is no ArrayBuffer and cannot be transferred")
            } else {
                match writer.kinds.of(buffer.raw()) {
                    Kind::ArrayBuffer => Self::obstacle(writer, buffer)?,
                    Kind::SharedArrayBuffer => Some(
                        "is a SharedArrayBuffer, which is shared and not transferred; leave it out of the list",
                    ),
                    _ => Some("is no ArrayBuffer and cannot be transferred"),
                }
            };
            if let Some(what) = what {
                return Err(refusal(writer.scope, &format!("transfer[{index}] {what}")));
            }
            if !writer.reserve_index(buffer.raw()) {
                return Err(refusal(writer.scope, &format!("transfer[{index}] is in the list twice")));
            }
        }
        Ok(Transfer(list.to_vec()))
    }

    /// Why a buffer cannot be taken.
    fn obstacle(writer: &Writer<'a, '_>, buffer: &Handle<'a>) -> JsResult<'a, Option<&'static str>> {
        if writer.scope.call_intrinsic(Intrinsic::BufferDetached, buffer.raw(), &[])?.is_truthy() {
            return Ok(Some("is a detached ArrayBuffer and cannot be transferred"));
        }
        // SAFETY: we are inside; it is an `ArrayBuffer`.
        let immutable = unsafe { qjs::JS_IsImmutableArrayBuffer(buffer.raw()) } != 0;
        Ok(immutable.then_some("is an immutable ArrayBuffer and cannot be transferred"))
    }

    /// Takes them.
    pub(super) fn carry_out(self, writer: &mut Writer<'a, '_>) -> JsResult<'a, ()> {
        for (index, buffer) in self.0.iter().enumerate() {
            if let Some(what) = Self::obstacle(writer, buffer)? {
                return Err(refusal(writer.scope, &format!("transfer[{index}] {what}")));
            }
        }
        for buffer in &self.0 {
            let longest = longest(writer.scope, buffer.raw())?;
            let block = writer.scope.take_block(buffer.raw())?;
            writer.beside.transferred.push((block, longest));
        }
        Ok(())
    }
}
