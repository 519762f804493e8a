//! The documents that a host serves of its APIs, and whether what it answers is as they say.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use crate::{Answer, Client};

/// A document with its schemas.
#[derive(Debug)]
pub struct Document {
    /// As served.
    pub value: Value,
    draft: Draft,
    validators: RefCell<HashMap<String, Rc<Validator>>>,
}

/// The OpenAPI document of the REST API.
#[derive(Debug)]
pub struct OpenApi(pub Document);

/// The AsyncAPI document of the websocket API.
#[derive(Debug)]
pub struct AsyncApi(pub Document);

impl Document {
    async fn of(client: &Client, path: &str, draft: Draft) -> Document {
        let request = client.request("GET", path).without("client-id").without("x-project-id");
        let value = request.send().await.expect(200).json();
        assert!(value.is_object(), "{path} is JSON");
        Document { value, draft, validators: RefCell::default() }
    }

    /// What a place holds, or what it refers to.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => {
                let value = self.value.pointer(reference.trim_start_matches('#')).expect("references lead somewhere");
                self.resolved(value)
            }
            None => value,
        }
    }

    /// What is wrong with a value that should be as the schema at a place says.
    pub fn faults(&self, place: &str, value: &Value) -> Vec<String> {
        let errors = self.validator(place);
        let errors = errors.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path()));
        errors.collect()
    }

    fn validator(&self, place: &str) -> Rc<Validator> {
        let mut validators = self.validators.borrow_mut();
        let made = validators.entry(place.to_owned()).or_insert_with(|| {
            // References lead through the whole document, so it is the schema, and begins at the place.
            let mut schema = self.value.clone();
            schema["$ref"] = json!(format!("#{}", place.replace('{', "%7B").replace('}', "%7D")));
            let options = jsonschema::options().with_draft(self.draft).should_validate_formats(true);
            Rc::new(options.build(&schema).unwrap_or_else(|error| panic!("{place} is no schema: {error}")))
        });
        made.clone()
    }
}

/// A part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

const METHODS: [&str; 6] = ["get", "put", "post", "delete", "patch", "head"];

impl OpenApi {
    /// That of a host.
    pub async fn of(client: &Client) -> OpenApi {
        OpenApi(Document::of(client, "/v2/openapi.json", Draft::Draft202012).await)
    }

    /// What of an exchange is not as the document says.
    pub fn faults(&self, method: &str, path: &str, sent: Option<&[u8]>, answer: &Answer) -> Vec<String> {
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let told = |fault: String| format!("{method} {path}, {}: {fault}", answer.status);
        let Some((template, item)) = self.item(path) else {
            let undescribed = (answer.status != 404).then(|| "the path is not described".to_owned());
            return undescribed.into_iter().map(told).collect();
        };
        let place = format!("/paths/{}/{}", escaped(template), method.to_lowercase());
        let Some(operation) = self.0.value.pointer(&place) else {
            return not_allowed(method, item, answer).into_iter().map(told).collect();
        };
        let mut faults = self.body_faults(&place, operation, sent, answer.status);
        match operation["responses"].get(answer.status.to_string()) {
            None => faults.push("the status is not described".to_owned()),
            Some(response) => faults.extend(self.answer_faults(&place, response, answer)),
        }
        faults.into_iter().map(told).collect()
    }

    /// The item that describes a path; its literal parts count more than its parameters.
    fn item(&self, path: &str) -> Option<(&String, &Value)> {
        let path = if path == "/v2" { "/v2/" } else { path };
        let segments = path.split('/').collect::<Vec<_>>();
        let paths = self.0.value["paths"].as_object().expect("the document has paths");
        let is_of = |template: &str| {
            let parts = template.split('/').collect::<Vec<_>>();
            let fits = |(part, segment): (&&str, &&str)| part == segment || part.starts_with('{');
            parts.len() == segments.len() && parts.iter().zip(&segments).all(fits)
        };
        paths.iter().filter(|(template, _)| is_of(template)).min_by_key(|(template, _)| template.matches('{').count())
    }

    /// A body that was taken is as described.
    fn body_faults(&self, place: &str, operation: &Value, sent: Option<&[u8]>, status: u16) -> Vec<String> {
        let Some(sent) = sent.filter(|sent| !sent.is_empty() && status < 300) else { return Vec::new() };
        let Some(media) = operation["requestBody"]["content"].as_object().and_then(|content| content.keys().next())
        else {
            return Vec::new();
        };
        let Ok(body) = serde_json::from_slice::<Value>(sent) else {
            return vec!["a body was taken that is no JSON".to_owned()];
        };
        let schema = format!("{place}/requestBody/content/{}/schema", escaped(media));
        let faults = self.0.faults(&schema, &body).into_iter();
        faults.map(|fault| format!("a body was taken that is not as described: {fault}")).collect()
    }

    fn answer_faults(&self, place: &str, response: &Value, answer: &Answer) -> Vec<String> {
        let (place, response) = match response["$ref"].as_str() {
            Some(reference) => (reference.trim_start_matches('#').to_owned(), self.0.resolved(response)),
            None => (format!("{place}/responses/{}", answer.status), response),
        };
        let mut faults = self.header_faults(response, answer);
        let media = answer.header("content-type");
        match response["content"].as_object() {
            None if answer.body.is_empty() => {}
            None => faults.push(format!("has a body that is not described: {}", answer.text())),
            Some(content) if !content.contains_key(media) => faults.push(format!("the body is of type {media:?}")),
            Some(_) => match serde_json::from_slice(&answer.body) {
                Err(_) => faults.push("the body is no JSON".to_owned()),
                Ok(body) => faults.extend(self.0.faults(&format!("{place}/content/{}/schema", escaped(media)), &body)),
            },
        }
        faults
    }

    fn header_faults(&self, response: &Value, answer: &Answer) -> Vec<String> {
        let mut faults = Vec::new();
        let described = response["headers"].as_object().cloned().unwrap_or_default();
        for (name, header) in &described {
            let header = self.0.resolved(header);
            let value = answer.header(name);
            let pattern = header["schema"]["pattern"].as_str().unwrap_or_default();
            match (value.is_empty(), header["required"] == true) {
                (true, true) => faults.push(format!("lacks {name}")),
                (false, _) if !jsonschema::is_valid(&json!({ "pattern": pattern }), &json!(value)) => {
                    faults.push(format!("{name} is {value:?}"));
                }
                _ => {}
            }
        }
        // Of HTTP itself, and of the body.
        let plain = ["content-type", "content-length", "date", "connection", "transfer-encoding"];
        let known = |name: &str| plain.contains(&name) || described.keys().any(|key| key.eq_ignore_ascii_case(name));
        let names = answer.headers.keys().map(|name| name.as_str());
        faults.extend(names.filter(|name| !known(name)).map(|name| format!("{name} is not described")));
        faults
    }
}

/// A method that a path lacks: refused, or it asks for those that there are.
fn not_allowed(method: &str, item: &Value, answer: &Answer) -> Option<String> {
    let due = if method == "OPTIONS" { 200 } else { 405 };
    // What is asked of every request is asked before.
    if answer.status == 400 || answer.status == 406 {
        return None;
    }
    if answer.status != due {
        return Some("the method is not described".to_owned());
    }
    let mut allowed: Vec<_> = answer.header("allow").split(", ").map(str::to_lowercase).collect();
    let mut described: Vec<_> = METHODS.into_iter().filter(|method| item.get(method).is_some()).collect();
    described.push("options");
    allowed.sort_unstable();
    described.sort_unstable();
    (allowed != described).then(|| format!("{allowed:?} are allowed, {described:?} are described"))
}

impl AsyncApi {
    /// That of a host.
    pub async fn of(client: &Client) -> AsyncApi {
        AsyncApi(Document::of(client, "/v2/asyncapi.json", Draft::Draft7).await)
    }

    /// What of an exchange is not as the document says.
    pub fn faults(&self, sent: &Value, answer: &Value) -> Vec<String> {
        let name = sent["action"].as_str().unwrap_or_default();
        let operations = &self.0.value["operations"];
        let operation = operations.get(name).unwrap_or(&operations["malformed"]);
        let mut faults = Vec::new();
        if operations.get(name).is_some() && answer["headers"]["status"] != 400 {
            let request = self.message_faults(name, sent).into_iter();
            faults.extend(request.map(|fault| format!("a request was taken that is not as described: {fault}")));
        }
        let replies = operation["reply"]["messages"].as_array().expect("an operation has answers");
        let replies = replies.iter().filter_map(|reply| reply["$ref"].as_str()?.rsplit('/').next());
        let told: Vec<_> = replies.map(|reply| (reply, self.message_faults(reply, answer))).collect();
        if told.iter().all(|(_, faults)| !faults.is_empty()) {
            faults.push(format!("{answer} is none of {told:?}"));
        }
        faults
    }

    /// What is wrong with the payload of a message.
    pub fn message_faults(&self, message: &str, payload: &Value) -> Vec<String> {
        self.0.faults(&format!("/components/messages/{message}/payload"), payload)
    }
}
