//! The twin of `hwloc` in a build without libhwloc: says how to get it.

use super::{HwlocInput, HwlocView};
use crate::error::{Error, Kind, Result};

/// Whether libhwloc is built in.
pub(crate) const HWLOC_BUILT: bool = false;

/// Always an error: there is no libhwloc.
pub(crate) fn hwloc_view(input: HwlocInput<'_>) -> Result<HwlocView> {
    let wanted = match input {
        HwlocInput::Live => "a second opinion on this machine".into(),
        HwlocInput::Xml(path) => format!("reading {}", path.display()),
        HwlocInput::Synthetic(description) => format!("expanding `{description}`"),
    };
    let message = format!(
        "{wanted} needs libhwloc, and this program was built without it: apt-get install libhwloc-dev pkg-config, \
         then cargo clean -p heddle-numa and build again"
    );
    Err(Error::new(Kind::Unsupported, message))
}
