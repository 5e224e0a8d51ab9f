//! Modules that the host loads.

use heddle_jsbridge::{Bridge, ModuleLoader, Script, Value};
use heddle_scheduler::{Priority, Scheduler};
use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Modules in memory; counts how often one is loaded.
struct Shelf {
    modules: HashMap<String, &'static str>,
    loads: &'static AtomicUsize,
}

impl ModuleLoader for Shelf {
    fn resolve(&self, _base: &str, specifier: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        match specifier {
            "zero" => Ok("a\0b".to_owned()),
            "panics" => panic!("no shelf"),
            name if self.modules.contains_key(name) => Ok(name.to_owned()),
            name => Err(format!("'{name}' is not on the shelf").into()),
        }
    }

    fn load(&self, name: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        Ok(self.modules[name].to_owned())
    }
}

fn with_modules(
    modules: &[(&str, &'static str)],
    loads: &'static AtomicUsize,
    test: impl FnOnce(&Bridge<'_>),
) {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let modules = modules.iter().map(|(name, source)| ((*name).to_owned(), *source)).collect();
    let bridge = Bridge::builder(&scheduler).modules(Shelf { modules, loads }).build().unwrap();
    test(&bridge);
}

#[test]
fn a_module_is_loaded_once_in_an_isolate_whoever_imports_it() {
    static LOADS: AtomicUsize = AtomicUsize::new(0);
    let modules = [("a", "import { b } from 'b'; export const a = b + 1;"), ("b", "export let b = 1; b++;")];
    with_modules(&modules, &LOADS, |bridge| {
        let script = "Promise.all([import('a'), import('b'), import('a')]).then(([a, b, again]) => [a.a, b.b, a === again] + '')";
        for round in 1..=3 {
            let result = bridge.eval(Priority::Normal, script).join().unwrap();
            assert_eq!(result, Value::from("3,2,true"));
            assert_eq!(LOADS.load(Ordering::Relaxed), 2 * round);
        }
    });
}

#[test]
fn an_import_without_a_loader_is_refused() {
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let bridge = Bridge::builder(&scheduler).build().unwrap();
    for script in [Script::new("import 'fs';").module(), Script::new("import('fs')")] {
        let error = bridge.eval(Priority::Normal, script.name("m.mjs")).join().unwrap_err();
        let message = error.message().unwrap().to_owned();
        assert!(message.contains("'fs' from m.mjs") && message.contains("ModuleLoader"), "{message}");
    }
}

#[test]
fn what_a_loader_does_wrong_is_an_error_of_the_script() {
    static LOADS: AtomicUsize = AtomicUsize::new(0);
    let modules = [
        ("bad", "let = ;"),
        ("bad.json", "{,}"),
        ("thrower", "throw new RangeError('r')"),
        ("missing", "import { nothing } from 'thrower'"),
    ];
    with_modules(&modules, &LOADS, |bridge| {
        let name_of = |specifier: &str| {
            let with = if specifier.ends_with(".json") { ", { with: { type: 'json' } }" } else { "" };
            let script = format!("import('{specifier}'{with}).then(() => 'fine', (error) => error.name)");
            bridge.eval(Priority::Normal, script).join().unwrap().to_string()
        };
        for (specifier, name) in [
            ("none", "TypeError"),
            ("zero", "TypeError"),
            ("panics", "TypeError"),
            ("bad", "SyntaxError"),
            ("bad.json", "SyntaxError"),
            ("thrower", "RangeError"),
            ("missing", "SyntaxError"),
        ] {
            assert_eq!(name_of(specifier), name, "{specifier}");
        }
    });
}

#[test]
fn memory_that_ends_while_modules_are_loaded_is_an_error() {
    static LOADS: AtomicUsize = AtomicUsize::new(0);
    let scheduler = Scheduler::builder().workers(1).build().unwrap();
    let source = "import('a').then(m => m.default.x[0], () => 1)";
    for memory in (260 << 10..330 << 10).step_by(997) {
        let modules = HashMap::from([
            ("a".to_owned(), "import d from 'd.json' with { type: 'json' }; export default d;"),
            ("d.json".to_owned(), "{\"x\": [1]}"),
        ]);
        let bridge = Bridge::builder(&scheduler)
            .memory(memory)
            .modules(Shelf { modules, loads: &LOADS })
            .build()
            .unwrap();
        let filled = format!(
            "const fill = []; try {{ while (true) fill.push(new Array(8).fill(0)); }} catch {{}} fill.length -= {}; {source}",
            memory % 97
        );
        let _ = bridge.eval(Priority::Normal, filled).join();
        assert_eq!(bridge.stats().isolates, 0);
    }
}
