//! Where the modules that scripts import come from: the host decides, by a [`ModuleLoader`].

use std::error::Error;

/// Finds and loads modules. Without one, `import` is an error: scripts reach no files by themselves.
///
/// ```
/// use heddle_jsbridge::{ModuleLoader, ModuleMeta};
///
/// /// Modules that are part of the program.
/// struct Embedded;
///
/// impl ModuleLoader for Embedded {
///     fn resolve(&self, _base: &str, specifier: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///         match specifier {
///             "app:config" => Ok(specifier.to_owned()),
///             _ => Err(format!("there are no modules but 'app:config'").into()),
///         }
///     }
///
///     fn load(&self, _name: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///         Ok("export const retries = 3;".to_owned())
///     }
/// }
///
/// assert_eq!(Embedded.meta("app:config").url, "app:config");
/// ```
pub trait ModuleLoader: Send + Sync {
    /// The full name of the module that `base` (a module, or a script's name) asks for by `specifier`. Two modules are
    /// the same if their full names are; it is also what stacks call them.
    ///
    /// # Errors
    /// There is none: the text becomes part of the script's error, which names the importer too.
    fn resolve(&self, base: &str, specifier: &str) -> Result<String, Box<dyn Error + Send + Sync>>;

    /// The source of the module with this full name. Asked once for each isolate. Called on the script's fiber, with at
    /// least 32 KiB of stack.
    ///
    /// # Errors
    /// It cannot be read: as for [`resolve`](Self::resolve).
    fn load(&self, name: &str) -> Result<String, Box<dyn Error + Send + Sync>>;

    /// What the module finds in `import.meta`. By default its name as `url`.
    fn meta(&self, name: &str) -> ModuleMeta {
        ModuleMeta { url: name.to_owned(), filename: None }
    }
}

/// What a module finds in `import.meta`, beside `main`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleMeta {
    /// `import.meta.url`
    pub url: String,
    /// `import.meta.filename`, and the directory in it `import.meta.dirname`; if it is a file.
    pub filename: Option<String>,
}
