//! Queues and claims, as a story tells them.

use serde_json::{Value, json};

use crate::rest::{Answer, Client};

/// A queue as its clients see it.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    name: String,
}

impl Queue {
    /// Names a queue; nothing is created.
    pub fn new(client: Client, name: &str) -> Queue {
        Queue { client, name: name.to_owned() }
    }

    /// The queue with this name as a client of another kind sees it.
    pub fn seen_by(&self, client: Client) -> Queue {
        Queue { client, name: self.name.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client that is used.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The path of the queue, or of something below it: `path("/stats")`.
    pub fn path(&self, below: &str) -> String {
        format!("/v2/queues/{}{below}", self.name)
    }

    /// Creates the queue with these metadata.
    pub async fn create(&self, metadata: Value) {
        self.client.put(&self.path(""), metadata).await.expect(201);
    }

    /// Posts bodies in one batch, for an hour; returns the ids.
    pub async fn post<T: Into<Value>>(&self, bodies: impl IntoIterator<Item = T>) -> Vec<String> {
        let messages = bodies.into_iter().map(|body| json!({ "ttl": 3600, "body": body.into() }));
        self.post_messages(messages.collect()).await
    }

    /// Posts messages as given; returns the ids.
    pub async fn post_messages(&self, messages: Value) -> Vec<String> {
        let answer = self.client.post(&self.path("/messages"), json!({ "messages": messages })).await.expect(201);
        let resources = answer.json()["resources"].as_array().cloned().unwrap_or_default();
        let paths = resources.iter().filter_map(Value::as_str);
        paths.map(|path| path.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    }

    /// Lists with these parameters: `list("?echo=true")`.
    pub async fn list(&self, query: &str) -> Page {
        Page::of(&self.client.get(&self.path(&format!("/messages{query}"))).await.expect(200))
    }

    /// Goes on where a page ended.
    pub async fn next(&self, page: &Page) -> Page {
        let next = page.next.as_deref().expect("the page has a next link");
        Page::of(&self.client.get(next).await.expect(200))
    }

    /// Reads a message by its id.
    pub async fn get(&self, id: &str) -> Answer {
        self.client.get(&self.path(&format!("/messages/{id}"))).await
    }

    /// Deletes a message by its id.
    pub async fn delete(&self, id: &str) -> Answer {
        self.client.delete(&self.path(&format!("/messages/{id}"))).await
    }

    /// Deletes a message under a claim.
    pub async fn delete_claimed(&self, id: &str, claim: &str) -> Answer {
        self.client.delete(&self.path(&format!("/messages/{id}?claim_id={claim}"))).await
    }

    /// Pops so many.
    pub async fn pop(&self, n_messages: u32) -> Vec<Value> {
        let answer = self.client.delete(&self.path(&format!("/messages?pop={n_messages}"))).await.expect(200);
        array(&answer.json()["messages"])
    }

    /// Claims so many for five minutes.
    ///
    /// # Panics
    /// When there is nothing to claim.
    pub async fn claim(&self, limit: u32) -> Claim {
        self.try_claim(limit).await.expect("there is something to claim")
    }

    /// Claims so many for five minutes, if there is one at least.
    pub async fn try_claim(&self, limit: u32) -> Option<Claim> {
        self.claim_for(limit, 300).await
    }

    /// Claims so many for so many seconds, with a minute of grace.
    pub async fn claim_for(&self, limit: u32, ttl: u64) -> Option<Claim> {
        let path = self.path(&format!("/claims?limit={limit}"));
        let answer = self.client.post(&path, json!({ "ttl": ttl, "grace": 60 })).await;
        match answer.status {
            204 => None,
            _ => Some(Claim::of(self, &answer.expect(201))),
        }
    }

    /// The counts of messages: free, claimed, total.
    pub async fn counts(&self) -> [u64; 3] {
        let stats = self.client.get(&self.path("/stats")).await.expect(200).json();
        ["free", "claimed", "total"].map(|key| stats["messages"][key].as_u64().expect("a count"))
    }
}

/// A page of messages.
#[derive(Debug)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Value>,
    /// Where to go on; absent after an empty page.
    pub next: Option<String>,
}

impl Page {
    fn of(answer: &Answer) -> Page {
        let page = answer.json();
        let next = page["links"].as_array().and_then(|links| links.iter().find(|link| link["rel"] == "next"));
        Page { messages: array(&page["messages"]), next: next.and_then(|link| Some(link["href"].as_str()?.to_owned())) }
    }

    /// The bodies.
    pub fn bodies(&self) -> Vec<Value> {
        bodies(&self.messages)
    }

    /// The ids.
    pub fn ids(&self) -> Vec<String> {
        ids(&self.messages)
    }
}

/// A claim and its messages, as they were given out.
#[derive(Debug)]
pub struct Claim {
    /// The claim's id.
    pub id: String,
    /// Its messages.
    pub messages: Vec<Value>,
    queue: Queue,
}

impl Claim {
    fn of(queue: &Queue, answer: &Answer) -> Claim {
        let id = answer.header("location").rsplit('/').next().unwrap_or_default().to_owned();
        Claim { id, messages: array(&answer.json()["messages"]), queue: queue.clone() }
    }

    /// The bodies.
    pub fn bodies(&self) -> Vec<Value> {
        bodies(&self.messages)
    }

    /// The ids of its messages.
    pub fn ids(&self) -> Vec<String> {
        ids(&self.messages)
    }

    /// The path of the claim.
    pub fn path(&self) -> String {
        self.queue.path(&format!("/claims/{}", self.id))
    }

    /// Reads the claim.
    pub async fn get(&self) -> Answer {
        self.queue.client.get(&self.path()).await
    }

    /// Renews the claim for so many seconds.
    pub async fn renew(&self, ttl: u64) -> Answer {
        self.queue.client.patch(&self.path(), json!({ "ttl": ttl, "grace": 60 })).await
    }

    /// Gives its messages back.
    pub async fn release(&self) {
        self.queue.client.delete(&self.path()).await.expect(204);
    }

    /// Deletes the message at this place of the claim.
    pub async fn delete(&self, place: usize) -> Answer {
        self.queue.delete_claimed(&self.ids()[place], &self.id).await
    }
}

/// The bodies of messages.
pub fn bodies(messages: &[Value]) -> Vec<Value> {
    messages.iter().map(|message| message["body"].clone()).collect()
}

/// The ids of messages.
pub fn ids(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|message| message["id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
