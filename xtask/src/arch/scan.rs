//! Reads one Rust source: its modules, the paths that it names and the types that it defines. What
//! only tests compile is left out.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// What one source contains. A scope is the path of inline modules within the file.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// The modules declared by `mod name;`, each with its scope.
    pub(super) children: Vec<(Vec<String>, String)>,
    /// The scopes of the modules declared by `mod name { … }`.
    pub(super) inline: Vec<Vec<String>>,
    /// The names that `use` declarations bring into a scope.
    pub(super) bindings: Vec<Binding>,
    /// Every path, those of the `use` declarations too.
    pub(super) references: Vec<Reference>,
    /// The structs, enums, unions, traits and type aliases, each with its line.
    pub(super) types: Vec<(String, usize)>,
    /// The macros with `#[macro_export]`, which are items of the root wherever they are defined.
    pub(super) exported_macros: Vec<String>,
}

/// A name that a `use` declaration brings into a scope.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) scope: Vec<String>,
    pub(super) name: String,
    pub(super) target: Vec<String>,
}

/// A path as it is written, a `use` declaration's without `*`.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) scope: Vec<String>,
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// True for a `use` declaration, whose only segment may be a module.
    pub(super) is_use: bool,
}

/// Scans the text of a source.
///
/// # Errors
/// The position of the first syntax error.
pub(super) fn scan(text: &str) -> Result<Scanned, String> {
    let file = syn::parse_file(text)
        .map_err(|error| format!("line {}: {error}", error.span().start().line))?;
    let mut scanner = Scanner::default();
    scanner.visit_file(&file);
    Ok(scanner.found)
}

#[derive(Default)]
struct Scanner {
    scope: Vec<String>,
    /// True inside `macro_rules!`, whose relative paths are resolved where the macro is called.
    in_definition: bool,
    found: Scanned,
}

impl Scanner {
    fn refer(&mut self, segments: Vec<String>, span: Span, is_use: bool) {
        self.found.references.push(Reference {
            scope: self.scope.clone(),
            segments,
            line: span.start().line,
            is_use,
        });
    }

    fn define(&mut self, name: &syn::Ident) {
        let line = name.span().start().line;
        self.found.types.push((name.to_string(), line));
    }

    fn bind(&mut self, name: String, target: Vec<String>) {
        let scope = self.scope.clone();
        self.found.bindings.push(Binding {
            scope,
            name,
            target,
        });
    }

    /// Takes the tree of a `use` declaration apart, one path for each leaf.
    fn import(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            syn::UseTree::Name(leaf) => self.import_leaf(prefix, &leaf.ident, &leaf.ident),
            syn::UseTree::Rename(leaf) => self.import_leaf(prefix, &leaf.ident, &leaf.rename),
            syn::UseTree::Glob(glob) => {
                self.refer(prefix.to_vec(), glob.star_token.spans[0], true);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(prefix, tree);
                }
            }
        }
    }

    fn import_leaf(&mut self, prefix: &[String], ident: &syn::Ident, name: &syn::Ident) {
        let mut target = prefix.to_vec();
        let mut name = name.to_string();
        if ident == "self" {
            // `use a::{self}` brings in `a` itself.
            if name == "self" {
                name = prefix.last().cloned().unwrap_or_default();
            }
        } else {
            target.push(ident.to_string());
        }
        self.refer(target.clone(), ident.span(), true);
        self.bind(name, target);
    }

    /// Finds paths in what only a macro understands.
    fn scan_tokens(&mut self, tokens: TokenStream) {
        let mut path: Option<(Vec<String>, Span)> = None;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if let Some((segments, _)) = path.as_mut().filter(|_| colons == 2) {
                        segments.push(ident.to_string());
                    } else {
                        self.end_of_path(path.take());
                        // A path that begins with `::` names another crate.
                        let is_local = colons < 2;
                        path = is_local.then(|| (vec![ident.to_string()], ident.span()));
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.end_of_path(path.take());
                    self.scan_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.end_of_path(path.take()),
            }
            colons = 0;
        }
        self.end_of_path(path);
    }

    fn end_of_path(&mut self, path: Option<(Vec<String>, Span)>) {
        // A single name, such as the `crate` of `pub(crate)`, names no item of another file.
        if let Some((segments, span)) = path.filter(|(segments, _)| segments.len() > 1)
            && (!self.in_definition || segments.first().is_some_and(|first| first == "crate"))
        {
            self.refer(segments, span, false);
        }
    }
}

impl<'ast> Visit<'ast> for Scanner {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !attributes(item).iter().any(is_test_only) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !function.attrs.iter().any(is_test_only) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        if module.content.is_none() {
            self.found.children.push((self.scope.clone(), name));
            return;
        }
        self.scope.push(name);
        self.found.inline.push(self.scope.clone());
        visit::visit_item_mod(self, module);
        self.scope.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.define(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.define(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.define(&item.ident);
        visit::visit_item_union(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.define(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.define(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        let is_exported = |attribute: &syn::Attribute| attribute.path().is_ident("macro_export");
        if let Some(name) = &item.ident
            && item.attrs.iter().any(is_exported)
        {
            // It expands in other crates.
            self.found.exported_macros.push(name.to_string());
            return;
        }
        self.in_definition = item.ident.is_some();
        visit::visit_item_macro(self, item);
        self.in_definition = false;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let (None, Some(first)) = (&path.leading_colon, path.segments.first()) {
            let names = path.segments.iter().map(|part| part.ident.to_string());
            self.refer(names.collect(), first.ident.span(), false);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in path)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.scan_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.scan_tokens(list.tokens.clone());
        visit::visit_meta_list(self, list);
    }
}

/// True for `#[cfg(test)]` and for `#[cfg(any(test, …))]`: the rest of the workspace's tests.
fn is_test_only(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else {
        return attribute.path().is_ident("test");
    };
    let condition = list.tokens.to_string();
    list.path.is_ident("cfg") && condition.contains("test") && !condition.contains("not")
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
