//! Files, with the names and the methods of [`std::fs`].
//!
//! Reads, writes and `sync` are handed to the kernel by the worker's ring (io_uring) and suspend the fiber until they are
//! done; what is in memory already is done at once. A fiber that is cancelled meanwhile asks the kernel to let go and
//! waits until it has, as its memory is in the kernel's hands; then it unwinds. To open a file or a folder is
//! [`blocking`](crate::blocking()), on a thread of the pool, and so is all the rest where the kernel has no rings or a
//! container forbids them. What the system does at once (to move to another place of a file, to ask for its size) is done
//! in place.
//!
//! ```
//! use heddle_scheduler::{Scheduler, io::fs};
//!
//! let scheduler = Scheduler::builder().workers(1).build()?;
//! let path = std::env::temp_dir().join(format!("heddle-doc-{}", std::process::id()));
//! let text = scheduler.run(move || {
//!     fs::write(&path, "kept")?;
//!     let text = fs::read_to_string(&path)?;
//!     std::fs::remove_file(&path)?;
//!     std::io::Result::Ok(text)
//! })?;
//! assert_eq!(text, "kept");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::blocking::blocking;
use crate::suspend::{suspend, suspend_shielded, unwind_cancelled};
use crate::time::checkpoint;
use crate::worker::current;
use crate::worker::reactor::Operation;
use io_uring::{opcode, squeue, types};
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the file is.
const HERE: u64 = u64::MAX;

/// Suspends until the kernel is done. The result is whether the fiber was cancelled meanwhile.
fn wait(operation: &Operation) -> bool {
    let mut is_cancelled = false;
    while operation.result().is_none() {
        if is_cancelled {
            suspend_shielded();
        } else if suspend().is_err() {
            is_cancelled = true;
            if let Some(worker) = current::worker() {
                worker.cancel_operation(operation);
            }
        }
    }
    is_cancelled
}

/// Has the kernel do it, by the worker's ring. `None`: there is none, or this is no fiber that can wait.
///
/// # Safety
/// What `entry` points to stays until this returns or unwinds.
unsafe fn operate(entry: squeue::Entry) -> Option<io::Result<u32>> {
    let (worker, _) = current::in_fiber().filter(|_| !std::thread::panicking())?;
    let mut is_cancelled = false;
    // SAFETY: the caller's promise; `wait` returns when there is a result, and does not unwind.
    let result = unsafe { worker.operate(entry, |operation| is_cancelled = wait(operation)) };
    if is_cancelled {
        unwind_cancelled();
    }
    result
}

fn read_by_ring(file: &fs::File, bytes: &mut [u8], at: u64) -> Option<io::Result<usize>> {
    let length = u32::try_from(bytes.len()).unwrap_or(i32::MAX as u32);
    let entry = opcode::Read::new(types::Fd(file.as_raw_fd()), bytes.as_mut_ptr(), length).offset(at).build();
    // SAFETY: the bytes are borrowed until we return.
    unsafe { operate(entry) }.map(|result| result.map(|count| count as usize))
}

fn write_by_ring(file: &fs::File, bytes: &[u8], at: u64) -> Option<io::Result<usize>> {
    let length = u32::try_from(bytes.len()).unwrap_or(i32::MAX as u32);
    let entry = opcode::Write::new(types::Fd(file.as_raw_fd()), bytes.as_ptr(), length).offset(at).build();
    // SAFETY: as above.
    unsafe { operate(entry) }.map(|result| result.map(|count| count as usize))
}

fn sync(file: &fs::File, flags: types::FsyncFlags) -> Option<io::Result<()>> {
    let entry = opcode::Fsync::new(types::Fd(file.as_raw_fd())).flags(flags).build();
    // SAFETY: it points to nothing.
    unsafe { operate(entry) }.map(|result| result.map(|_| ()))
}

/// A call that a signal of the kernel's own interrupted is made again, as in `std`'s loops.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    checkpoint();
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// How a file is to be opened, as [`std::fs::OpenOptions`].
#[derive(Clone, Debug)]
pub struct OpenOptions(fs::OpenOptions);

/// Methods that set an option.
macro_rules! options {
    ($($(#[$attribute:meta])* $name:ident;)*) => {
        impl OpenOptions {
            $(
                $(#[$attribute])*
                pub fn $name(&mut self, on: bool) -> &mut OpenOptions {
                    self.0.$name(on);
                    self
                }
            )*
        }
    };
}

options! {
    /// To be read.
    read;
    /// To be written.
    write;
    /// Written at its end, wherever that is then.
    append;
    /// Emptied first.
    truncate;
    /// Made if it is not there.
    create;
    /// Made, and an error if it is there.
    create_new;
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

impl OpenOptions {
    /// None are set.
    pub fn new() -> OpenOptions {
        OpenOptions(fs::OpenOptions::new())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As in `std`.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| self.0.open(path)).map(File)
    }
}

/// A file, as [`std::fs::File`]. See the [module's documentation](self).
#[derive(Debug)]
pub struct File(fs::File);

impl File {
    /// To be read.
    ///
    /// # Errors
    /// As in `std`.
    pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| fs::File::open(path)).map(File)
    }

    /// To be written; what was there is gone.
    ///
    /// # Errors
    /// As in `std`.
    pub fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| fs::File::create(path)).map(File)
    }

    /// See [`OpenOptions`].
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Reads from a place; where the file is, does not change.
    ///
    /// # Errors
    /// As in `std`.
    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        again(|| read_by_ring(&self.0, bytes, at).unwrap_or_else(|| blocking(|| self.0.read_at(bytes, at))))
    }

    /// Writes at a place; where the file is, does not change.
    ///
    /// # Errors
    /// As in `std`.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        again(|| write_by_ring(&self.0, bytes, at).unwrap_or_else(|| blocking(|| self.0.write_at(bytes, at))))
    }

    /// Reads all of `bytes` from a place.
    ///
    /// # Errors
    /// As in `std`: of the kind `UnexpectedEof` if there is less.
    pub fn read_exact_at(&self, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.read_at(bytes, at)? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before that")),
                count => (bytes, at) = (&mut bytes[count..], at + count as u64),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at a place.
    ///
    /// # Errors
    /// As in `std`.
    pub fn write_all_at(&self, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, at)? {
                0 => return Err(io::Error::new(io::ErrorKind::WriteZero, "the system writes nothing")),
                count => (bytes, at) = (&bytes[count..], at + count as u64),
            }
        }
        Ok(())
    }

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    /// As in `std`.
    pub fn sync_all(&self) -> io::Result<()> {
        again(|| sync(&self.0, types::FsyncFlags::empty()).unwrap_or_else(|| blocking(|| self.0.sync_all())))
    }

    /// The same, but not for what is known about the file, as when it was changed.
    ///
    /// # Errors
    /// As in `std`.
    pub fn sync_data(&self) -> io::Result<()> {
        again(|| {
            sync(&self.0, types::FsyncFlags::DATASYNC).unwrap_or_else(|| blocking(|| self.0.sync_data()))
        })
    }

    /// What is known about it.
    ///
    /// # Errors
    /// As in `std`.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// Cuts it off, or adds zeros.
    ///
    /// # Errors
    /// As in `std`.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        blocking(|| self.0.set_len(length))
    }

    /// Who may do what with it.
    ///
    /// # Errors
    /// As in `std`.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.0.set_permissions(permissions)
    }

    /// Another descriptor of the same file; both are at the same place.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn try_clone(&self) -> io::Result<File> {
        self.0.try_clone().map(File)
    }
}

impl Read for &File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        again(|| read_by_ring(&self.0, bytes, HERE).unwrap_or_else(|| blocking(|| (&self.0).read(bytes))))
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        again(|| write_by_ring(&self.0, bytes, HERE).unwrap_or_else(|| blocking(|| (&self.0).write(bytes))))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&self.0).seek(to)
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&*self).read(bytes)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl From<fs::File> for File {
    fn from(file: fs::File) -> File {
        File(file)
    }
}

impl From<File> for fs::File {
    fn from(file: File) -> fs::File {
        file.0
    }
}

impl From<OwnedFd> for File {
    fn from(file: OwnedFd) -> File {
        File(file.into())
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// All that is in a file.
///
/// # Errors
/// As in `std`.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    (&file).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same, as text.
///
/// # Errors
/// As in `std`: of the kind `InvalidData` if it is not text.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8");
    String::from_utf8(read(path)?).map_err(no_text)
}

/// Makes a file of these bytes, or replaces what is in one.
///
/// # Errors
/// As in `std`.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path)?.write_all(bytes.as_ref())
}

/// What is known about a file.
///
/// # Errors
/// As in `std`.
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    blocking(|| fs::metadata(path))
}

/// What is in a folder. Its iterator asks the system in place, for many entries at a time.
///
/// # Errors
/// As in `std`.
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<fs::ReadDir> {
    let path = path.as_ref();
    blocking(|| fs::read_dir(path))
}
