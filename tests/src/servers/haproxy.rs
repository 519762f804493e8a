//! HAProxy, set up as the worked example has it.

use super::{Server, bound, free_port, installed};
use crate::programs;
use crate::rest::Client;

/// A balancer before hosts of this machine.
#[derive(Debug)]
pub struct HaProxy {
    server: Server,
    websocket: u16,
}

/// Where a host of this machine takes REST, websockets, and questions about its health: `127.0.0.1:PORT`.
#[derive(Debug)]
pub struct Ports {
    /// REST.
    pub rest: String,
    /// Websockets.
    pub websocket: String,
    /// The admin pages.
    pub admin: String,
}

/// What the example calls its hosts.
const NAMES: [&str; 3] = ["one", "two", "three"];

impl HaProxy {
    /// Starts it with the example's file, in which nothing but addresses is another.
    pub async fn before(hosts: [Ports; 3]) -> HaProxy {
        let mut balancer = HaProxy { server: Server::new("haproxy"), websocket: free_port() };
        let example = programs::checkout("examples/many-hosts/haproxy.cfg");
        let example = std::fs::read_to_string(example).expect("the example can be read");
        let text: String = example.lines().map(|line| balancer.line(line, &hosts) + "\n").collect();
        let file = balancer.server.folder().join("haproxy.cfg");
        std::fs::write(&file, text).expect("the configuration can be written");
        let mut command = bound(&installed("/usr/sbin/haproxy"));
        command.arg("-db").arg("-f").arg(file);
        balancer.server.run(command).await;
        balancer
    }

    /// A line of the example, with addresses of this machine.
    fn line(&self, line: &str, hosts: &[Ports; 3]) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["bind", ":8888"] => format!("bind 127.0.0.1:{}", self.server.port()),
            ["bind", ":9000"] => format!("bind 127.0.0.1:{}", self.websocket),
            ["server", name, address] => {
                let place = NAMES.iter().position(|known| *known == name).expect("the example has three hosts");
                let host = &hosts[place];
                let address = if address.ends_with(":8888") { &host.rest } else { &host.websocket };
                let admin = host.admin.rsplit(':').next().unwrap_or_default();
                format!("server {name} {address} port {admin}")
            }
            _ => line.to_owned(),
        }
    }

    /// Where it takes REST: `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// Where it takes websockets: `127.0.0.1:PORT`.
    pub fn websocket_address(&self) -> String {
        format!("127.0.0.1:{}", self.websocket)
    }

    /// A client of project `p1`.
    pub fn client(&self) -> Client {
        Client::new(&self.base())
    }
}
