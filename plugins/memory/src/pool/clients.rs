//! The clients that messages of a lane are from: a number each, so that a message need not hold
//! its client's name.

use std::collections::HashMap;
use std::sync::Arc;

/// The number of a client, good while one of its messages is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub u32);

/// The clients.
#[derive(Default)]
pub struct Clients {
    numbers: HashMap<Arc<str>, Client>,
    names: Vec<Known>,
    free: Vec<Client>,
}

struct Known {
    name: Arc<str>,
    messages: u64,
}

impl Clients {
    /// The number of a client for some messages more.
    pub fn hold(&mut self, name: &str, messages: u64) -> Client {
        if let Some(client) = self.numbers.get(name) {
            if let Some(known) = self.names.get_mut(client.0 as usize) {
                known.messages += messages;
            }
            return *client;
        }
        let name: Arc<str> = name.into();
        let known = Known { name: name.clone(), messages };
        let free = self.free.pop();
        let client = match free.and_then(|free| Some((free, self.names.get_mut(free.0 as usize)?))) {
            Some((free, slot)) => {
                *slot = known;
                free
            }
            None => {
                self.names.push(known);
                // More clients than that have more messages than memory holds.
                Client(u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX))
            }
        };
        self.numbers.insert(name, client);
        client
    }

    /// One of its messages is gone.
    pub fn release(&mut self, client: Client) {
        let Some(known) = self.names.get_mut(client.0 as usize) else { return };
        known.messages = known.messages.saturating_sub(1);
        if known.messages == 0 {
            self.numbers.remove(&known.name);
            known.name = Arc::default();
            self.free.push(client);
        }
        if self.numbers.is_empty() {
            // So that many clients once do not take memory for ever.
            *self = Clients::default();
        }
    }

    /// The number of a client that has messages.
    pub fn number(&self, name: &str) -> Option<Client> {
        self.numbers.get(name).copied()
    }

    /// The name of a client.
    pub fn name(&self, client: Client) -> &str {
        self.names.get(client.0 as usize).map_or("", |known| &known.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_number_as_long_as_it_has_messages() {
        let mut clients = Clients::default();
        let (a, b) = (clients.hold("a", 2), clients.hold("b", 1));
        assert_eq!((clients.hold("a", 1), clients.name(b)), (a, "b"));
        clients.release(b);
        assert_eq!((clients.number("b"), clients.number("a")), (None, Some(a)));
        assert_eq!(clients.hold("c", 1), b);
        assert_eq!(clients.name(b), "c");
        (0..3).for_each(|_| clients.release(a));
        clients.release(b);
        assert_eq!(clients.names.len(), 0);
    }
}
