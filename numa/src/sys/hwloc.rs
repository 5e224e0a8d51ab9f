//! libhwloc's view of a machine, copied at once into our own types. The only file that names the crate hwloc2.
//!
//! hwloc2 brings the linkage, the object's layout and the bitmaps. What it cannot reach (NUMA nodes, distances, XML, synthetic
//! input; its constants are hwloc 1's) is declared here. What it gets wrong is fenced off in `clippy.toml`.
//!
//! Invariants: a `Handle` owns one loaded topology; no pointer into it leaves this file.

use std::ffi::{CString, c_char, c_int, c_uint, c_ulong};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::{HwlocInput, HwlocNode, HwlocView};
use crate::cpuset::{CpuSet, Id, IdSet, NodeSet};
use crate::error::{Error, Kind, Result};
use crate::id::NodeId;

#[expect(clippy::disallowed_types, reason = "the one place where hwloc's objects are read")]
type Object = hwloc2::TopologyObject;
#[expect(clippy::disallowed_types, reason = "the one place where hwloc's bitmaps are drained")]
type Bitmap = hwloc2::Bitmap;

/// Whether libhwloc is built in.
pub(crate) const HWLOC_BUILT: bool = true;

/// `struct hwloc_topology`, never seen from inside.
#[repr(C)]
struct Raw {
    private: [u8; 0],
}

/// `struct hwloc_distances_s` of hwloc 2.
#[repr(C)]
struct RawDistances {
    count: c_uint,
    objects: *const *const Object,
    kind: c_ulong,
    values: *const u64,
}

// Numbers of `hwloc_obj_type_t`, `hwloc_distances_kind_e` and `hwloc_topology_flags_e`, the same in all of hwloc 2.
const PACKAGE: c_int = 1;
const CORE: c_int = 2;
const PU: c_int = 3;
const L1_CACHE: c_int = 4;
const L5_CACHE: c_int = 8;
const NUMA_NODE_DEPTH: c_int = -3;
const MEANS_LATENCY: c_ulong = 1 << 2;
const INCLUDE_DISALLOWED: c_ulong = 1 << 0;
/// Known since hwloc 2.5.
const DONT_CHANGE_BINDING: c_ulong = 1 << 6;

unsafe extern "C" {
    fn hwloc_topology_init(topology: *mut *mut Raw) -> c_int;
    fn hwloc_topology_destroy(topology: *mut Raw);
    fn hwloc_topology_set_flags(topology: *mut Raw, flags: c_ulong) -> c_int;
    fn hwloc_topology_set_xml(topology: *mut Raw, path: *const c_char) -> c_int;
    fn hwloc_topology_set_synthetic(topology: *mut Raw, description: *const c_char) -> c_int;
    fn hwloc_topology_load(topology: *mut Raw) -> c_int;
    fn hwloc_topology_is_thissystem(topology: *mut Raw) -> c_int;
    fn hwloc_topology_get_depth(topology: *mut Raw) -> c_int;
    fn hwloc_get_depth_type(topology: *mut Raw, depth: c_int) -> c_int;
    fn hwloc_get_nbobjs_by_depth(topology: *mut Raw, depth: c_int) -> c_uint;
    fn hwloc_get_obj_by_depth(topology: *mut Raw, depth: c_int, index: c_uint) -> *const Object;
    fn hwloc_topology_get_allowed_cpuset(topology: *mut Raw) -> *mut std::ffi::c_void;
    fn hwloc_topology_get_allowed_nodeset(topology: *mut Raw) -> *mut std::ffi::c_void;
    fn hwloc_distances_get_by_depth(
        topology: *mut Raw,
        depth: c_int,
        count: *mut c_uint,
        distances: *mut *mut RawDistances,
        kind: c_ulong,
        flags: c_ulong,
    ) -> c_int;
    fn hwloc_distances_release(topology: *mut Raw, distances: *mut RawDistances);
}

/// Loads a machine and copies what we need of it.
pub(crate) fn hwloc_view(input: HwlocInput<'_>) -> Result<HwlocView> {
    let handle = Handle::load(input)?;
    let mut view = HwlocView {
        allowed_cpus: handle.allowed_cpus(),
        allowed_nodes: handle.allowed_nodes(),
        distances: handle.distances(),
        ..HwlocView::default()
    };
    for object in handle.objects(NUMA_NODE_DEPTH) {
        if object.os_index() <= NodeSet::MAX_ID {
            let id = NodeId(object.os_index());
            view.nodes.push(HwlocNode { id, cpus: cpus_of(object), memory_bytes: object.total_memory() });
        }
    }
    let mut caches_level = 0;
    for depth in 0..handle.depth() {
        let groups = || handle.objects(depth).map(cpus_of).collect::<Vec<CpuSet>>();
        // SAFETY: the handle's topology is loaded, and the depth is one of its own.
        match unsafe { hwloc_get_depth_type(handle.0, depth) } {
            PACKAGE => view.packages.extend(groups()),
            CORE => view.cores.extend(groups()),
            PU => view.cpus = groups().iter().fold(CpuSet::new(), |all, cpu| &all | cpu),
            level @ L1_CACHE..=L5_CACHE => {
                let level = (level - L1_CACHE + 1) as u8;
                if level > caches_level {
                    (caches_level, view.caches) = (level, Vec::new());
                }
                if level == caches_level {
                    view.caches.extend(groups().into_iter().map(|cpus| (level, cpus)));
                }
            }
            _ => {}
        }
    }
    Ok(view)
}

/// A loaded topology, destroyed when dropped.
struct Handle(*mut Raw);

impl Handle {
    fn load(input: HwlocInput<'_>) -> Result<Handle> {
        let mut raw = ptr::null_mut();
        // SAFETY: hwloc writes a pointer to a new topology, which the handle then owns.
        if unsafe { hwloc_topology_init(&mut raw) } != 0 {
            return Err(Error::system("libhwloc cannot start", io::Error::last_os_error()));
        }
        let handle = Handle(raw);
        let (what, done) = match input {
            HwlocInput::Live => ("this machine".to_owned(), 0),
            HwlocInput::Xml(path) => {
                let text = c_string(path.as_os_str().as_bytes())?;
                // SAFETY: the topology is new, and `text` ends with a zero byte and outlives the call.
                (format!("the file {}", path.display()), unsafe {
                    hwloc_topology_set_xml(handle.0, text.as_ptr())
                })
            }
            HwlocInput::Synthetic(description) => {
                let text = c_string(description.as_bytes())?;
                // SAFETY: as above.
                let done = unsafe { hwloc_topology_set_synthetic(handle.0, text.as_ptr()) };
                (format!("the description `{description}`"), done)
            }
        };
        let refused = || {
            let advice =
                "is it hwloc 2 XML (`lstopo --of xml`; format 3 is newer), or like `numa:2 core:4 pu:2`?";
            let advice = if matches!(input, HwlocInput::Live) { "sysfs serves without it" } else { advice };
            let error =
                Error::system(format!("libhwloc cannot load {what}: {advice}"), io::Error::last_os_error());
            if error.is_not_found() || matches!(input, HwlocInput::Live) {
                error
            } else {
                error.with_kind(Kind::Invalid)
            }
        };
        if done != 0 {
            return Err(refused());
        }
        // SAFETY: the topology is new and not loaded yet, which is when flags may be set.
        let set = |flags| unsafe { hwloc_topology_set_flags(handle.0, flags) } == 0;
        if !set(INCLUDE_DISALLOWED | DONT_CHANGE_BINDING) && !set(INCLUDE_DISALLOWED) {
            return Err(refused());
        }
        // SAFETY: the topology is new, configured, and loaded exactly once.
        if unsafe { hwloc_topology_load(handle.0) } != 0 {
            return Err(refused());
        }
        // SAFETY: the topology is loaded.
        if matches!(input, HwlocInput::Live) && unsafe { hwloc_topology_is_thissystem(handle.0) } != 1 {
            let message = "hwloc was told to show another machine: unset HWLOC_XMLFILE, HWLOC_SYNTHETIC and HWLOC_FSROOT";
            return Err(Error::new(Kind::Invalid, message));
        }
        Ok(handle)
    }

    fn depth(&self) -> c_int {
        // SAFETY: the topology is loaded.
        unsafe { hwloc_topology_get_depth(self.0) }
    }

    /// The objects at a depth, in hwloc's order; they live as long as the handle.
    fn objects(&self, depth: c_int) -> impl Iterator<Item = &Object> {
        // SAFETY: the topology is loaded; an unknown depth has 0 objects.
        let count = unsafe { hwloc_get_nbobjs_by_depth(self.0, depth) };
        (0..count).filter_map(move |index| {
            // SAFETY: the index is below the count; the object is null or lives as long as the topology, which `self` owns
            // and nobody changes. hwloc2's layout of the fields we read equals that of all of hwloc 2.
            unsafe { hwloc_get_obj_by_depth(self.0, depth, index).as_ref() }
        })
    }

    #[expect(clippy::disallowed_methods, reason = "hwloc's own pointer, drained while the topology lives")]
    fn allowed_cpus(&self) -> CpuSet {
        // SAFETY: the topology is loaded.
        let bitmap = unsafe { hwloc_topology_get_allowed_cpuset(self.0) };
        if bitmap.is_null() { CpuSet::new() } else { drain(&Bitmap::from_raw(bitmap.cast(), false)) }
    }

    #[expect(clippy::disallowed_methods, reason = "hwloc's own pointer, drained while the topology lives")]
    fn allowed_nodes(&self) -> NodeSet {
        // SAFETY: the topology is loaded.
        let bitmap = unsafe { hwloc_topology_get_allowed_nodeset(self.0) };
        if bitmap.is_null() { NodeSet::new() } else { drain(&Bitmap::from_raw(bitmap.cast(), false)) }
    }

    /// The first latency table over NUMA nodes, row by row.
    fn distances(&self) -> Option<(Vec<NodeId>, Vec<Vec<u64>>)> {
        let (mut count, mut table) = (1, ptr::null_mut());
        // SAFETY: the topology is loaded; hwloc writes at most `count` = 1 pointers, to a table we release below.
        let done = unsafe {
            hwloc_distances_get_by_depth(self.0, NUMA_NODE_DEPTH, &mut count, &mut table, MEANS_LATENCY, 0)
        };
        if done != 0 || count == 0 || table.is_null() {
            return None;
        }
        // SAFETY: the call above said that it wrote one table.
        let raw = unsafe { &*table };
        let size = raw.count as usize;
        // SAFETY: hwloc fills `count` object pointers, each into the loaded topology, and null for none.
        let objects = (0..size).filter_map(|n| unsafe { (*raw.objects.add(n)).as_ref() });
        let nodes: Vec<NodeId> = objects.map(|object| NodeId(object.os_index())).collect();
        // SAFETY: hwloc fills `count` times `count` values, row by row.
        let values = (0..size * size).map(|n| unsafe { *raw.values.add(n) }).collect::<Vec<u64>>();
        // SAFETY: the table came from the call above, is released once, and not used again.
        unsafe { hwloc_distances_release(self.0, table) };
        (nodes.len() == size).then(|| (nodes, values.chunks(size.max(1)).map(<[u64]>::to_vec).collect()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle owns the topology; it is destroyed once.
        unsafe { hwloc_topology_destroy(self.0) };
    }
}

/// The CPUs of an object, copied.
#[expect(clippy::disallowed_methods, reason = "drained at once, while the object's topology is borrowed")]
fn cpus_of(object: &Object) -> CpuSet {
    object.cpuset().map(|bitmap| drain(&bitmap)).unwrap_or_default()
}

/// The ids in a bitmap. An infinite one (hwloc has them) is cut to nothing: its `last` is -1.
fn drain<I: Id>(bitmap: &Bitmap) -> IdSet<I> {
    let last = u32::try_from(bitmap.last()).ok().map(|last| last.min(IdSet::<I>::MAX_ID));
    let ids = last.into_iter().flat_map(|last| 0..=last);
    ids.filter(|id| bitmap.is_set(*id)).map(I::from_number).collect()
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes)
        .map_err(|_| Error::new(Kind::Invalid, "a path or description with a zero byte: remove it"))
}
