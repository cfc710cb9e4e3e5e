//! Tests of the prose in sources and documents: the first words of doc comments, and the width of
//! comments and paragraphs.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The widest line of prose, in characters.
const COLUMNS: usize = 100;

/// The words that must not open a doc comment, which starts with a noun or a verb.
const BANNED: [&str; 8] = ["How", "Of", "So", "That", "What", "Where", "Whether", "Who"];

/// The kind of a file, which decides where its prose is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Comments after `//`, of which `///` and `//!` are doc comments.
    Rust,
    /// Comments after `#`.
    Hash,
    /// All lines.
    Markdown,
}

impl Kind {
    /// The kind of the file at `path`. `None` if the file has no prose that is checked.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "rs" | "proto" => Some(Self::Rust),
            "sh" | "toml" | "yaml" | "yml" => Some(Self::Hash),
            "md" => Some(Self::Markdown),
            _ => None,
        }
    }

    /// The prose of a line, without the marker of a comment.
    fn prose(self, line: &str) -> Option<&str> {
        let text = line.trim_start();
        match self {
            Self::Rust => text.strip_prefix("//").map(|text| text.trim_start_matches(['/', '!'])),
            Self::Hash => text.strip_prefix('#'),
            Self::Markdown => Some(text),
        }
    }

    fn is_doc(self, line: &str) -> bool {
        let text = line.trim_start();
        let is_doc = text.starts_with("///") || text.starts_with("//!");
        self == Self::Rust && is_doc && !text.starts_with("////")
    }
}

/// Returns the faults of a text, each with the number of its line.
fn faults(kind: Kind, text: &str) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    let (mut in_code, mut in_doc) = (false, false);
    for (number, line) in (1..).zip(text.lines()) {
        let Some(prose) = kind.prose(line).map(str::trim) else {
            (in_code, in_doc) = (false, false);
            continue;
        };
        let is_doc = kind.is_doc(line);
        if is_doc && !in_doc {
            let word = first_word(prose);
            if BANNED.contains(&word) {
                faults.push((number, format!("a doc comment starts with {word:?}")));
            }
        }
        in_doc = is_doc;
        let is_fence = kind != Kind::Hash && prose.starts_with("```");
        in_code ^= is_fence;
        let is_exempt = in_code || is_fence || prose.starts_with('|') || is_one_link(prose);
        let width = line.chars().count();
        if width > COLUMNS && !is_exempt {
            faults.push((number, format!("{width} columns, at most {COLUMNS} are allowed")));
        }
    }
    faults
}

fn first_word(prose: &str) -> &str {
    let prose = prose.trim_start_matches(|c: char| !c.is_alphanumeric());
    prose.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

/// Returns `true` for a line that cannot be wrapped: one URL, link, image, or target of a link.
fn is_one_link(prose: &str) -> bool {
    let prose = prose.strip_prefix("- ").or_else(|| prose.strip_prefix("* ")).unwrap_or(prose);
    let link = prose.strip_prefix('!').unwrap_or(prose).strip_prefix('[');
    let Some((text, target)) = link.and_then(|rest| rest.split_once(']')) else {
        return !prose.contains(char::is_whitespace);
    };
    !text.contains('[') && !target.trim_start_matches([':', ' ']).contains(char::is_whitespace)
}

/// Finds all files with prose below a folder. Skips the output of builds, and hidden folders except
/// those of continuous integration.
fn files(folder: &Path, found: &mut Vec<(PathBuf, Kind)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            let is_hidden = name.starts_with('.') && ![".ci", ".github"].contains(&name);
            if name != "target" && !is_hidden {
                files(&path, found);
            }
        } else if let Some(kind) = Kind::of(&path) {
            found.push((path, kind));
        }
    }
}

#[test]
fn doc_comments_start_with_a_noun_or_a_verb_and_prose_is_wrapped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent");
    let mut paths = Vec::new();
    files(root, &mut paths);
    assert!(paths.len() > 300, "only {} files", paths.len());
    paths.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut wrong = Vec::new();
    for (path, kind) in paths {
        let text = fs::read_to_string(&path).expect("text");
        // A generator wrote the prose of a generated file.
        if text.lines().next().is_some_and(|first| first.contains("@generated")) {
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        let faults = faults(kind, &text).into_iter();
        wrong.extend(faults.map(|(line, fault)| format!("{name}:{line}: {fault}")));
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

/// The test above detects wrong prose, and accepts the exceptions.
#[test]
fn wrong_prose_is_found() {
    let wide = "word ".repeat(21);
    let url = format!("https://example.com/{}", "x".repeat(100));
    for (kind, text, lines) in [
        (Kind::Rust, "/// What it is.\nstruct A;\n/// So many.\n".to_owned(), vec![1, 3]),
        (Kind::Rust, "//! Returns it.\n//! What follows is no opening.\n".to_owned(), vec![]),
        (Kind::Rust, "//// What is no doc comment.\n// How it works.\n".to_owned(), vec![]),
        (Kind::Rust, format!("    // {wide}\nlet {wide};\n"), vec![1]),
        (Kind::Rust, format!("/// ```\n/// {wide}\n/// ```\n/// {wide}\n"), vec![4]),
        (Kind::Rust, format!("//! | {wide}|\n// {url}\n// See {url}\n"), vec![3]),
        (Kind::Hash, format!("# {wide}\nkey = \"{wide}\"\n"), vec![1]),
        (Kind::Markdown, format!("{wide}\n\n| {wide}|\n\n```sh\n{wide}\n```\n"), vec![1]),
        (Kind::Markdown, format!("[a link]({url})\n[it]: {url}\n![an image]({url})\n"), vec![]),
        (Kind::Markdown, format!("[a link]({url}) and text\n"), vec![1]),
    ] {
        let found: Vec<_> = faults(kind, &text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, lines, "{kind:?}: {text}");
    }
}
