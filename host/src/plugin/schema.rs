//! Checks a plugin's settings against its own schema.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Fault;
use serde_json::Value;

use super::installed::Plugin;
use super::shape::Shape;
use crate::config::{Mistake, Origin, Settings, keys_of_every_filter, nearest};

/// Every way in which the settings of a section do not fit the plugin.
pub fn check(plugin: &Plugin, section: &str, settings: &Settings, mistakes: &mut Vec<Mistake>) {
    let schema = &plugin.description().settings;
    if settings.object.is_empty() && takes_nothing(schema) {
        return;
    }
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => {
            let (path, name) = (plugin.path().display(), plugin.name());
            let problem = format!("{path}: the plugin `{name}` has no valid schema of its settings: {error}");
            return mistakes.push(Mistake::new(&Origin::Default, section, problem, "ask its author"));
        }
    };
    let object = Value::Object(settings.object.clone());
    for error in validator.iter_errors(&object) {
        tell(&error, section, settings, Shape::new(schema), mistakes);
    }
}

fn tell(
    error: &ValidationError<'_>,
    section: &str,
    settings: &Settings,
    shape: Shape<'_>,
    mistakes: &mut Vec<Mistake>,
) {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        Fault::AdditionalProperties { unexpected } => {
            let mut known = shape.at(pointer).map(Shape::keys).unwrap_or_default();
            if pointer.is_empty() && section.starts_with("filters.") {
                known.extend(keys_of_every_filter());
            }
            mistakes.extend(unexpected.iter().map(|key| unknown(section, settings, &known, pointer, key)));
        }
        Fault::AnyOf { context } | Fault::OneOfNotValid { context } if let Some(meant) = meant(context, pointer) => {
            meant.iter().for_each(|error| tell(error, section, settings, shape, mistakes));
        }
        fault => {
            let mend = shape.at(pointer).map(|shape| format!("it takes: {}", shape.words())).unwrap_or_default();
            let problem = match fault {
                Fault::Required { property } => format!("lacks the key {property}"),
                Fault::Type { .. } | Fault::AnyOf { .. } | Fault::OneOfNotValid { .. } | Fault::Enum { .. } => {
                    "does not fit the plugin's settings".to_owned()
                }
                // The text of a wrong value repeats it, which a secret must not be.
                _ => format!("does not fit the plugin's settings: {}", error.masked_with("the value")),
            };
            mistakes.push(Mistake::new(&settings.origin(pointer), dotted(section, pointer), problem, mend));
        }
    }
}

/// Of several forms that a value may have, what is wrong with the one that was meant: the only one whose
/// kind of value it is.
fn meant<'a, 'b>(forms: &'a [Vec<ValidationError<'b>>], pointer: &str) -> Option<&'a [ValidationError<'b>]> {
    let of_another_kind = |error: &ValidationError<'_>| {
        let about_kind = matches!(error.kind(), Fault::Type { .. } | Fault::Constant { .. } | Fault::Enum { .. });
        about_kind && error.instance_path().as_str() == pointer
    };
    let mut fitting = forms.iter().filter(|errors| !errors.iter().any(of_another_kind));
    fitting.next().filter(|_| fitting.next().is_none()).map(Vec::as_slice)
}

/// Whether a schema takes settings that set nothing, as can be seen at a glance: it asks for an
/// object, and nothing else that an empty one could lack. Most plugins run so; a host of such has
/// no need of the validator, which takes megabytes once it is made.
fn takes_nothing(schema: &Value) -> bool {
    let asks_nothing = |(key, value): (&String, &Value)| match key.as_str() {
        "type" => value == "object",
        "properties" | "$defs" => value.is_object(),
        "$schema" | "title" | "description" | "default" | "additionalProperties" => true,
        _ => false,
    };
    schema.as_object().is_some_and(|schema| schema.iter().all(asks_nothing))
}

fn dotted(section: &str, pointer: &str) -> String {
    format!("{section}{}", pointer.replace('/', "."))
}

fn unknown(section: &str, settings: &Settings, known: &[&str], pointer: &str, key: &str) -> Mistake {
    let path = format!("{pointer}/{key}");
    let mend = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "take it out".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    };
    Mistake::new(&settings.origin(&path), dotted(section, &path), "is not known", mend)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_seen_at_a_glance_is_what_the_validator_says() {
        for (schema, seen) in [
            (json!({}), true),
            (json!({ "type": "object", "title": "t", "additionalProperties": false }), true),
            (json!({ "type": "object", "properties": { "a": { "type": "string" } }, "$defs": {} }), true),
            (json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }), false),
            (json!({ "type": "array" }), false),
            (json!({ "type": ["object", "null"] }), false),
            (json!({ "type": "object", "minProperties": 1 }), false),
            (json!({ "allOf": [{ "required": ["a"] }] }), false),
            (json!(false), false),
        ] {
            assert_eq!(takes_nothing(&schema), seen, "{schema}");
            assert!(!seen || jsonschema::is_valid(&schema, &json!({})), "{schema}");
        }
    }
}
