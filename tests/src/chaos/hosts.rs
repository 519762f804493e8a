//! Hosts side by side, of which some may be down or stand still.

use std::time::Duration;

use serde_json::json;

use crate::checker::workers::Reach;
use crate::host::Setup;
use crate::rest::Client;
use crate::{Host, eventually};

/// How long hosts may take to serve again when all faults are mended.
const AGAIN: Duration = Duration::from_secs(30);
/// How much of a host's log is shown when something was broken.
const LAST_LINES: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Frozen,
}

/// All of them, set up alike.
#[derive(Debug)]
pub struct Hosts {
    hosts: Vec<Host>,
    states: Vec<State>,
    reach: Reach,
}

impl Hosts {
    /// Starts so many.
    pub async fn start(setup: Setup, count: usize) -> Hosts {
        let mut hosts = Vec::new();
        for _ in 0..count {
            hosts.push(setup.clone().start().await);
        }
        let reach = Reach::of(hosts.iter().map(Host::client));
        Hosts { states: vec![State::Up; count], hosts, reach }
    }

    /// Where clients find them.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// A client of one host.
    pub fn client(&self, turn: usize) -> Client {
        self.hosts[turn % self.hosts.len()].client()
    }

    /// Those that are up, unless it is the last one.
    pub fn dispensable(&self) -> Vec<usize> {
        let up: Vec<_> = (0..self.hosts.len()).filter(|host| self.states[*host] == State::Up).collect();
        if up.len() > 1 { up } else { Vec::new() }
    }

    /// Kills one with SIGKILL.
    pub fn kill(&mut self, host: usize) {
        self.hosts[host].kill();
        self.states[host] = State::Down;
    }

    /// Starts one again; `false`: it cannot open its stores, and has ended.
    pub async fn start_again(&mut self, host: usize) -> bool {
        let started = self.hosts[host].try_start().await;
        if started {
            self.states[host] = State::Up;
            self.reach.moved(host, self.hosts[host].client());
        }
        started
    }

    /// Stops one where it is.
    pub fn freeze(&mut self, host: usize) {
        self.hosts[host].freeze();
        self.states[host] = State::Frozen;
    }

    /// Lets it go on.
    pub fn thaw(&mut self, host: usize) {
        self.hosts[host].thaw();
        self.states[host] = State::Up;
    }

    /// Waits until each host is ready and takes posts.
    pub async fn all_serve(&self, queue: &str) {
        for (number, host) in self.hosts.iter().enumerate() {
            let served = async || {
                let ready = host.pages().request("GET", "/ready").try_send().await.ok()?.status == 200;
                let body = json!({ "messages": [{ "body": "served", "ttl": 60 }] }).to_string();
                let path = format!("/v2/queues/{queue}-served-{number}/messages");
                let posted = host.client().request("POST", &path).body(body).try_send().await.ok()?.status == 201;
                (ready && posted).then_some(())
            };
            eventually("a host serves again", AGAIN, served).await;
        }
    }

    /// The ends of all logs, and what went wrong before.
    pub fn show_logs(&self) {
        for (number, host) in self.hosts.iter().enumerate() {
            let log = host.log();
            let lines: Vec<_> = log.lines().collect();
            let (before, last) = lines.split_at(lines.len().saturating_sub(LAST_LINES));
            let errors = before.iter().filter(|line| line.contains(" ERROR ")).take(LAST_LINES);
            let shown: Vec<_> = errors.chain(last).copied().collect();
            eprintln!("--- log of host {number} ---\n{}\n--- end of the log ---", shown.join("\n"));
        }
    }
}
