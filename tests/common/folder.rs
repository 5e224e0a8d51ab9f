//! A folder for one test's files and sockets: nobody has had it before, and it goes with the test.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Addresses of sockets are paths of at most 107 bytes. This leaves room for a name.
const PATH_MAX: usize = 60;

/// Removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one.
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut parent = std::env::temp_dir();
        if parent.as_os_str().len() > PATH_MAX && Path::new("/tmp").is_dir() {
            parent = PathBuf::from("/tmp");
        }
        loop {
            // A process of the same number may have left some when it was killed.
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("heddle-test-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Folder(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and makes the folders above it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a temporary folder can be made");
        std::fs::write(path, text).expect("a temporary file can be written");
    }
}

impl Default for Folder {
    fn default() -> Self {
        Folder::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
