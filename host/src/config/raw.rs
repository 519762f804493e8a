//! Settings as they were typed: a tree of values that know where they stand.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, Origin};
use super::unknown;

/// A value as it was typed.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub origin: Origin,
}

/// The kinds of value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A section, or an inline table.
    Table(Table),
    /// A list.
    List(Vec<Node>),
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A text from the environment, which may stand for any of the others.
    Env(String),
}

/// Keys and values in the order in which they were typed.
#[derive(Clone, Debug, Default)]
pub struct Table(pub Vec<(String, Node)>);

impl Table {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The table of a key, where there is one.
    pub fn table(&self, key: &str) -> Option<&Table> {
        match self.get(key).map(|node| &node.value) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        }
    }
}

/// Variables of the environment that are no settings, but options of the command line.
const NO_SETTINGS: &[&str] =
    &["SUKKAL_CONFIG", "SUKKAL_URL", "SUKKAL_PROJECT", "SUKKAL_CLIENT_ID", "SUKKAL_TOKEN", "SUKKAL_TOKEN_FILE"];

/// Reads the file, and lays the environment over it: `SUKKAL_SECTION__KEY`.
pub fn read(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, OsString)>,
    mistakes: &mut Vec<Mistake>,
) -> Table {
    let mut root = file.map(|path| read_file(path, mistakes)).unwrap_or_default();
    let mut secrets = Vec::new();
    name_secrets(&root, &mut secrets);
    let mut variables: Vec<_> = env.into_iter().filter(|(name, _)| !secrets.contains(name)).collect();
    variables.sort();
    for (name, value) in variables {
        let Some(path) = name.strip_prefix("SUKKAL_").filter(|_| !NO_SETTINGS.contains(&name.as_str())) else {
            continue;
        };
        let path = path.to_lowercase();
        let origin = Origin::Env(name.clone());
        let Ok(value) = value.into_string() else {
            mistakes.push(Mistake::new(&origin, path.replace("__", "."), "is no UTF-8", ""));
            continue;
        };
        if tells_of_service(&name, &value) {
            continue;
        }
        let node = Node { value: Value::Env(value), origin };
        lay_over(&mut root, "", &path.split("__").collect::<Vec<_>>(), node, mistakes);
    }
    root
}

/// Whether Kubernetes has set it: each container hears so of a service that is called `sukkal` or `sukkal-…`.
fn tells_of_service(name: &str, value: &str) -> bool {
    let is_of_port = |(_, port): (&str, &str)| port.starts_with(|letter: char| letter.is_ascii_digit());
    let told = name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT") && value.contains("://")
        || name.split_once("_PORT_").is_some_and(is_of_port);
    told && !name.contains("__")
}

fn read_file(path: &Path, mistakes: &mut Vec<Mistake>) -> Table {
    let file = Arc::new(path.to_owned());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let problem = format!("the file cannot be read: {error}");
            mistakes.push(Mistake::new(
                &Origin::File(file, 1),
                "",
                problem,
                "check --config and the file's permissions",
            ));
            return Table::default();
        }
    };
    let source = Source { file, text: &text };
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let span = error.span().unwrap_or_default();
        let mut problem = format!("is no valid TOML: {}", error.message().replace('\n', ", "));
        if error.message() == "duplicate key"
            && let Some(key) = text.get(span.clone())
        {
            problem.push_str(&format!(" `{key}`"));
        }
        mistakes.push(Mistake::new(&source.origin(span.start), "", problem, ""));
    }
    source.table(table.into_inner())
}

struct Source<'a> {
    file: Arc<std::path::PathBuf>,
    text: &'a str,
}

impl Source<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        Origin::File(self.file.clone(), 1 + before.filter(|byte| **byte == b'\n').count())
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
            let at = key.span().start;
            let name: std::borrow::Cow<'_, str> = key.into_inner();
            (name.into_owned(), self.node(value, at))
        };
        Table(entries.into_iter().map(entry).collect())
    }

    fn node(&self, value: Spanned<DeValue<'_>>, at: usize) -> Node {
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix());
                parsed.map_or_else(|_| Value::Text(number.to_string()), Value::Integer)
            }
            DeValue::Float(number) => {
                number.as_str().replace('_', "").parse().map_or_else(|_| Value::Text(number.to_string()), Value::Float)
            }
            DeValue::Boolean(flag) => Value::Bool(flag),
            DeValue::Datetime(instant) => Value::Text(instant.to_string()),
            DeValue::Array(items) => {
                let item = |item: Spanned<DeValue<'_>>| {
                    let at = item.span().start;
                    self.node(item, at)
                };
                Value::List(items.into_iter().map(item).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { value, origin: self.origin(at) }
    }
}

/// The variables that the file names as secrets (`{ env = "NAME" }`): they are no settings, however
/// they are called.
fn name_secrets(table: &Table, names: &mut Vec<String>) {
    for (key, node) in &table.0 {
        match &node.value {
            Value::Text(name) if key == "env" && table.0.len() == 1 => names.push(name.clone()),
            Value::Table(inner) => name_secrets(inner, names),
            _ => {}
        }
    }
}

/// Sets one value in a section. What is there under another spelling (`-` for `_`) is meant. The names of plugins
/// are written with `-`, which no variable's name can have.
fn lay_over(table: &mut Table, section: &str, path: &[&str], node: Node, mistakes: &mut Vec<Mistake>) {
    let Some((first, rest)) = path.split_first() else { return };
    let same = |name: &str| name.replace('-', "_").eq_ignore_ascii_case(first);
    let index = table.0.iter().position(|(name, _)| same(name)).unwrap_or_else(|| {
        let empty = Node { value: Value::Table(Table::default()), origin: node.origin.clone() };
        let is_plugins = matches!(section, "filters" | "plugins");
        let name = if is_plugins { first.replace('_', "-") } else { (*first).to_owned() };
        table.0.push((name, empty));
        table.0.len() - 1
    });
    let entry = &mut table.0[index].1;
    if rest.is_empty() {
        *entry = node;
        return;
    }
    if !matches!(entry.value, Value::Table(_)) {
        if section.is_empty()
            && let Some(mistake) = unknown::plain_section(first, entry)
        {
            mistakes.push(mistake);
        }
        *entry = Node { value: Value::Table(Table::default()), origin: node.origin.clone() };
    }
    if let Value::Table(inner) = &mut entry.value {
        lay_over(inner, first, rest, node, mistakes);
    }
}
