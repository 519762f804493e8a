//! The OpenAPI document names every route and every method, and no other.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sukkal_core::Route;
use sukkal_plugin_sdk::Action;

use super::route::resolve;
use crate::transport::document::{Document, Terms};

/// The document's paths, with those for administrators.
fn described() -> Map<String, Value> {
    let mut terms = Terms::default();
    terms.api.admin_mode = true;
    match Document::OpenApi.value(&terms)["paths"].take() {
        Value::Object(paths) => paths,
        _ => panic!("the document has paths"),
    }
}

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

fn operations(path: &Value) -> impl Iterator<Item = (&str, &Value)> {
    METHODS.iter().filter_map(|method| Some((*method, path.get(method)?)))
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// Whether a path is one of those that a template stands for.
fn is_of(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    path.len() == template.len() && path.iter().zip(template).all(|(one, other)| *one == other || is_parameter(other))
}

/// A path that a template stands for.
fn example(template: &str) -> String {
    let segments = template.split('/').map(|segment| if is_parameter(segment) { "x" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Every path that the routes know: made of the words in their source, and of a name. A path is
/// known only where what it continues is.
fn known_paths() -> BTreeSet<String> {
    let (source, _) = include_str!("route.rs").split_once("#[cfg(test)]").unwrap();
    let literals = source.split('"').skip(1).step_by(2);
    let words: BTreeSet<&str> = literals.flat_map(|text| text.split('/')).filter(|word| is_word(word)).collect();
    assert!(words.contains("confirm"), "{words:?}");
    let (mut known, mut open) = (BTreeSet::new(), vec!["/v2".to_owned()]);
    while let Some(path) = open.pop() {
        for segment in words.iter().chain(&["x"]) {
            let longer = format!("{path}/{segment}");
            if resolve("GET", &longer, true).route != Route::UnknownPath && known.insert(longer.clone()) {
                open.push(longer);
            }
        }
    }
    known
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.')
}

#[test]
fn every_route_is_described_with_its_methods() {
    let described = described();
    let known = known_paths();
    assert!(known.len() > 100, "{known:?}");
    for path in known.iter().map(String::as_str).chain(["/", "/v2/"]) {
        let told: Vec<_> = described.iter().filter(|(template, _)| is_of(path, template)).collect();
        let [(template, item)] = told[..] else { panic!("{path} is described by {told:?}") };
        let mut methods: BTreeSet<_> = operations(item).map(|(method, _)| method.to_uppercase()).collect();
        methods.insert("OPTIONS".to_owned());
        let allowed: BTreeSet<_> = resolve("GET", path, true).allow.split(", ").map(str::to_owned).collect();
        assert_eq!(methods, allowed, "{template}");
    }
}

#[test]
fn every_description_is_of_a_route_and_named_by_its_action() {
    let mut actions = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (template, item) in &described() {
        for (method, operation) in operations(item) {
            let resolved = resolve(&method.to_uppercase(), &example(template), true);
            assert_eq!(resolved.route, Route::Known, "{method} {template}");
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            let action = operation.get("x-action").and_then(Value::as_str).unwrap_or(name);
            assert_eq!(action, resolved.action.name(), "{method} {template}");
            actions.insert(action.to_owned());
        }
    }
    let routed = known_paths();
    let routed = routed.iter().flat_map(|path| METHODS.map(|method| resolve(&method.to_uppercase(), path, true)));
    let routed =
        routed.filter(|resolved| resolved.route == Route::Known).map(|resolved| resolved.action.name().to_owned());
    let top = [Action::Versions, Action::Home].map(|action| action.name().to_owned());
    assert_eq!(actions, routed.chain(top).collect());
}

#[test]
fn every_parameter_of_a_path_is_declared() {
    let whole = Document::OpenApi.value(&Terms::default());
    for (template, item) in whole["paths"].as_object().unwrap() {
        let named: BTreeSet<_> = template.split(['{', '}']).skip(1).step_by(2).collect();
        let references = item["parameters"].as_array().into_iter().flatten();
        let parameters = references
            .map(|one| &whole["components"]["parameters"][one["$ref"].as_str().unwrap().rsplit('/').next().unwrap()]);
        let declared: BTreeSet<_> =
            parameters.filter(|one| one["in"] == "path").map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(named, declared, "{template}");
    }
}
