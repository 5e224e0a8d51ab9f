//! Modules from files, for the program: relative and absolute paths, and `file://` URLs.

use heddle_jsbridge::{ModuleLoader, ModuleMeta};
use std::error::Error;
use std::path::{Component, Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The full name of a module is its path, absolute and without links.
pub(crate) struct Files {
    /// Where the paths of scripts begin that are in no file.
    directory: PathBuf,
}

/// Tried, to say what was meant, where a path leads nowhere. Node does not guess either: the same file must not have two
/// names.
const ENDINGS: [&str; 6] = [".mjs", ".js", ".json", "/index.mjs", "/index.js", "/index.json"];

impl Files {
    pub(crate) fn new() -> Files {
        Files { directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")) }
    }

    /// The full name of a file on the command line.
    pub(crate) fn full_name(&self, path: &str) -> Result<String> {
        self.find(&self.directory.join(path), path)
    }

    fn find(&self, path: &Path, written: &str) -> Result<String> {
        let found = match path.canonicalize() {
            Ok(found) => found,
            Err(error) => {
                let advice = ENDINGS
                    .iter()
                    .find(|ending| Path::new(&format!("{}{ending}", tidy(path).display())).is_file())
                    .map(|ending| {
                        format!("; did you mean '{written}{ending}'? Write the whole name of the file")
                    });
                let path = tidy(path).display().to_string();
                return Err(format!("{path}: {error}{}", advice.unwrap_or_default()).into());
            }
        };
        if found.is_dir() {
            let advice = ENDINGS
                .iter()
                .filter(|ending| ending.starts_with('/'))
                .find(|ending| found.join(&ending[1..]).is_file())
                .map(|ending| format!("; did you mean '{}{ending}'?", written.trim_end_matches('/')));
            return Err(format!("{} is a directory{}", found.display(), advice.unwrap_or_default()).into());
        }
        found.into_os_string().into_string().map_err(|path| format!("{} is not UTF-8", path.display()).into())
    }
}

/// Without `.` and `..`, for messages.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

/// `%20` and so on are bytes.
fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("a % in a URL is followed by two hexadecimal digits".into());
        };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| "the URL is not UTF-8".into())
}

/// A path as a URL.
pub(crate) fn file_url(path: &str) -> String {
    let mut url = "file://".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(byte)),
            b'/' | b'-' | b'_' | b'.' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
            | b',' | b';' | b'=' | b':' | b'@' => url.push(char::from(byte)),
            _ => url += &format!("%{byte:02X}"),
        }
    }
    url
}

impl ModuleLoader for Files {
    fn resolve(&self, base: &str, specifier: &str) -> Result<String> {
        if let Some(url) = specifier.strip_prefix("file://") {
            let path = decode(url.strip_prefix("localhost").unwrap_or(url))?;
            if !path.starts_with('/') {
                return Err("a file's URL has three slashes: file:///path".into());
            }
            return self.find(Path::new(&path), specifier);
        }
        let relative = specifier.starts_with("./") || specifier.starts_with("../");
        if relative || specifier == "." || specifier == ".." {
            let from = Path::new(base).is_absolute().then(|| Path::new(base).parent()).flatten();
            return self.find(&from.unwrap_or(&self.directory).join(specifier), specifier);
        }
        if specifier.starts_with('/') {
            return self.find(Path::new(specifier), specifier);
        }
        Err(match specifier.split_once(':') {
            Some((scheme @ ("node" | "npm" | "http" | "https" | "data"), _)) => {
                format!("there are no '{scheme}:' modules here; import files: './file.mjs'")
            }
            _ => format!(
                "'{specifier}' names a package, and there are none here; write './{specifier}' for a file beside this \
                 one, or the path of the package's main file"
            ),
        }
        .into())
    }

    fn load(&self, name: &str) -> Result<String> {
        if !name.ends_with(".mjs") && !name.ends_with(".js") && !name.ends_with(".json") {
            return Err(format!("{name}: modules are files named .mjs, .js or .json").into());
        }
        std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}").into())
    }

    fn meta(&self, name: &str) -> ModuleMeta {
        match Path::new(name).is_absolute() {
            true => ModuleMeta { url: file_url(name), filename: Some(name.to_owned()) },
            false => ModuleMeta { url: name.to_owned(), filename: None },
        }
    }
}
