//! Tests of the floors of the core. A folder imports only from the folders below it, and each name
//! from the module that defines it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, visit::Visit};

/// The folders of `obs-core/src`, the lowest first. The files beside them are doors, above all
/// floors.
const FLOORS: [&str; 16] = [
    "base",
    "write",
    "redact",
    "http",
    "trace",
    "sql",
    "record",
    "work",
    "extension",
    "outputs",
    "endpoints",
    "observer",
    "request",
    "http1",
    "builder",
    "testing",
];

/// The path of a module below the crate root: empty for the root itself.
type Module = Vec<String>;

/// A path that names something else in the crate.
struct Import {
    line: usize,
    /// The module that imports: the module of the file, or one inside it.
    from: Module,
    path: Vec<String>,
}

/// The imports of one file. Test modules are skipped, because they may import anything.
#[derive(Default)]
struct Source {
    file: PathBuf,
    module: Module,
    imports: Vec<Import>,
    /// The names that the file imports from other modules of the crate.
    brought: BTreeSet<String>,
    /// The test modules that are in their own files.
    test_modules: Vec<String>,
    /// The modules inside the file that the visitor is in.
    within: Vec<String>,
}

#[test]
fn folders_import_only_from_below_and_names_from_where_they_are_defined() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../obs-core/src");
    let sources = read_all(&root);
    assert!(sources.len() > 100, "the core is there");
    let modules: BTreeMap<&Module, &Source> = sources.iter().map(|source| (&source.module, source)).collect();
    let mut wrong = Vec::new();
    for source in &sources {
        for import in &source.imports {
            if let Some(fault) = fault(source, import, &modules) {
                let file = source.file.strip_prefix(&root).unwrap_or(&source.file).display();
                wrong.push(format!(
                    "obs-core/src/{file}:{}: {}: {fault}",
                    import.line,
                    import.path.join("::")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong imports:\n{}", wrong.len(), wrong.join("\n"));
}

/// The test above detects wrong imports.
#[test]
fn wrong_imports_are_found() {
    let of = |module: &[&str], code: &str| {
        let module = module.iter().map(|part| (*part).to_owned()).collect();
        parse(PathBuf::new(), module, code)
    };
    let sources = [
        of(&[], "pub use self::record::finished::Record;"),
        of(&["record"], "pub(crate) use self::finished::Record; pub(crate) mod finished;"),
        of(&["record", "finished"], "pub struct Record;"),
        of(&["base"], "pub(crate) mod clock;"),
        of(&["base", "clock"], "pub(crate) struct Moment;"),
    ];
    for (code, expected) in [
        ("use crate::base::clock::Moment;", None),
        ("use crate::base::clock; #[cfg(test)] mod tests { use crate::Record; }", None),
        ("fn f() { let _ = crate::record::finished::Record; }", Some("upward")),
        ("use crate::{base::clock, record::finished::Record};", Some("upward")),
        ("make! { struct A { record: crate::record::finished::Record } }", Some("upward")),
        ("use crate::Record;", Some("crate root")),
        ("use super::super::Record;", Some("crate root")),
    ] {
        let source = of(&["base", "text"], code);
        let mut modules: BTreeMap<&Module, &Source> = sources.iter().map(|s| (&s.module, s)).collect();
        modules.insert(&source.module, &source);
        let found = source.imports.iter().find_map(|import| fault(&source, import, &modules));
        assert_eq!(found.is_some(), expected.is_some(), "{code}: {found:?}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{code}");
    }
    let source = of(&["work", "handle"], "use crate::record::Record;");
    let modules: BTreeMap<&Module, &Source> = sources.iter().map(|s| (&s.module, s)).collect();
    let found = fault(&source, &source.imports[0], &modules).expect("a re-export");
    assert!(found.contains("does not define"), "{found}");
}

/// Returns the fault of an import, if it has one.
fn fault(source: &Source, import: &Import, modules: &BTreeMap<&Module, &Source>) -> Option<String> {
    let (module, rest) = resolve(&import.from, &import.path, modules)?;
    let name = rest.first().filter(|name| *name != "*" && *name != "self");
    let Some(folder) = module.first() else {
        let door = source.module.len() <= 1 && !FLOORS.contains(&source.module.first().map_or("", |m| m));
        return name.filter(|_| !door).map(|_| "through the crate root".to_owned());
    };
    let floor = |folder: &str| FLOORS.iter().position(|floor| *floor == folder).unwrap_or(FLOORS.len());
    let own = floor(source.module.first().map_or("", |folder| folder));
    if floor(folder) > own {
        return Some(format!("upward: `{folder}` is above"));
    }
    let defines =
        modules.get(&module).is_none_or(|target| name.is_none_or(|name| !target.brought.contains(name)));
    (!defines).then(|| format!("`{}` does not define it, but imports it", module.join("::")))
}

/// Returns the module to which a path leads, and the rest of the path. Returns `None` if it leads
/// out of the crate.
fn resolve(
    from: &Module,
    path: &[String],
    modules: &BTreeMap<&Module, &Source>,
) -> Option<(Module, Vec<String>)> {
    let mut rest = path;
    let mut module = match rest.first()?.as_str() {
        "crate" => Module::new(),
        "self" | "super" => from.clone(),
        _ => return None,
    };
    while let Some(part) = rest.first() {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => {
                module.pop();
            }
            part => {
                module.push(part.to_owned());
                if !modules.contains_key(&module) {
                    module.pop();
                    break;
                }
            }
        }
        rest = &rest[1..];
    }
    Some((module, rest.to_vec()))
}

/// Reads all files below `root`, except those of tests.
fn read_all(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).expect("below").with_extension("");
                let mut module: Module =
                    below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                    module.pop();
                }
                let code = fs::read_to_string(&path).expect("a source file");
                sources.push(parse(path, module, &code));
            }
        }
    }
    let of_tests = |source: &Source| {
        let child = |name: &String| [source.module.clone(), vec![name.clone()]].concat();
        source.test_modules.iter().map(child).collect::<Vec<_>>()
    };
    let of_tests: Vec<Module> = sources.iter().flat_map(of_tests).collect();
    sources.retain(|source| !of_tests.iter().any(|module| source.module.starts_with(module)));
    sources
}

fn parse(file: PathBuf, module: Module, code: &str) -> Source {
    let parsed = syn::parse_file(code).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut source = Source { file, module, ..Source::default() };
    source.visit_file(&parsed);
    source
}

/// Returns `true` if an item exists only in tests.
fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if names_test(list.tokens.clone()))
    })
}

fn names_test(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "test",
        TokenTree::Group(group) => names_test(group.stream()),
        _ => false,
    })
}

impl Source {
    fn import(&mut self, span: Span, path: Vec<String>) {
        if matches!(path.first().map(String::as_str), Some("crate" | "self" | "super")) && path.len() > 1 {
            let from = [self.module.clone(), self.within.clone()].concat();
            self.imports.push(Import { line: span.start().line, from, path });
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &[String], top: bool) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident), top),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before, top)),
            UseTree::Name(name) => {
                self.add_import(top, before, &name.ident);
                self.import(name.ident.span(), with(&name.ident));
            }
            UseTree::Rename(rename) => {
                self.add_import(top, before, &rename.rename);
                self.import(rename.ident.span(), with(&rename.ident));
            }
            UseTree::Glob(glob) => {
                self.import(glob.star_token.spans[0], [before, &["*".to_owned()]].concat())
            }
            #[allow(unreachable_patterns)]
            _ => {}
        }
    }

    /// Notes an imported name. A name from another crate counts as defined here: `sync` re-exports
    /// the types of std.
    fn add_import(&mut self, top: bool, before: &[String], name: &syn::Ident) {
        let within = matches!(before.first().map(String::as_str), Some("crate" | "self" | "super"));
        if top && within && name != "self" {
            self.brought.insert(name.to_string());
        }
    }

    /// Finds the paths in the tokens of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "crate" || ident == "super" => {
                    let mut path = vec![ident.to_string()];
                    let mut rest = tokens[at + 1..].iter();
                    while let (
                        Some(TokenTree::Punct(a)),
                        Some(TokenTree::Punct(b)),
                        Some(TokenTree::Ident(part)),
                    ) = (rest.next(), rest.next(), rest.next())
                        && (a.as_char(), b.as_char()) == (':', ':')
                    {
                        path.push(part.to_string());
                    }
                    self.import(ident.span(), path);
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Use(ItemUse { tree, attrs, .. }) => {
                if !is_of_tests(attrs) {
                    self.tree(tree, &[], self.within.is_empty());
                }
            }
            item => syn::visit::visit_item(self, item),
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_of_tests(&module.attrs) {
            self.within.push(module.ident.to_string());
            syn::visit::visit_item_mod(self, module);
            self.within.pop();
        } else if module.content.is_none() {
            self.test_modules.push(module.ident.to_string());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts = path.segments.iter().map(|part| part.ident.to_string()).collect();
        let first = path.segments.first().map_or_else(Span::call_site, |part| part.ident.span());
        self.import(first, parts);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        self.tokens(invoked.tokens.clone());
    }
}
