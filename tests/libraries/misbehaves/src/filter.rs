//! The filter.

use std::time::Duration;

use sukkal_plugin_sdk::{
    Bytes, Call, Error, Filter, Host, Identity, Interest, Message, Moment, NewMessage, Open, Reader, Request, Response,
    Result, Verdict,
};

use crate::act::act;
use crate::behaviour::{Behaviour, Does};

/// A filter that sees the moment at which it misbehaves; every moment, if it does so elsewhere or everywhere.
pub struct Misbehaves {
    behaviour: Behaviour,
    host: Host,
}

impl Misbehaves {
    /// Opens it, which misbehaves at `open`.
    pub async fn open(open: Open<Behaviour>) -> Result<Misbehaves> {
        act(open.settings.at("open")).await?;
        Ok(Misbehaves { behaviour: open.settings, host: open.host })
    }

    async fn at(&self, moment: Moment) -> Result<Does> {
        let does = self.behaviour.at(moment.name());
        act(does).await?;
        Ok(does)
    }
}

impl Filter for Misbehaves {
    type State = ();

    fn interest(&self) -> Interest {
        if self.behaviour.at("interest") == Does::PanicText {
            panic!("at once, with a text");
        }
        let its = Moment::ALL.into_iter().find(|moment| moment.name() == self.behaviour.at);
        its.map_or(Moment::ALL.to_vec(), |moment| vec![moment]).into_iter().fold(Interest::none(), Interest::all)
    }

    async fn authenticate(&self, _call: &Call, _state: &mut (), request: &mut Request) -> Result<Verdict> {
        if self.at(Moment::Authenticate).await? == Does::Identifies {
            let token = request.headers().get("x-auth-token").and_then(|token| token.strip_prefix("lasts-"));
            let (seconds, own) = match token.and_then(|token| token.split_once("-in-")) {
                Some((seconds, project)) => (Some(seconds), Some(project.to_owned())),
                None => (token, None),
            };
            let Some(seconds) = seconds.and_then(|seconds| seconds.parse().ok()) else {
                return Ok(Verdict::Respond(Response::error(401, "Unauthorized", "Authentication required")));
            };
            let named = request.headers().get("x-project-id").unwrap_or_default();
            let known = Identity { user: "u".to_owned(), roles: vec!["member".to_owned()], ..Identity::default() };
            let identity = own.map_or_else(
                || Identity { project: named.to_owned(), ..Identity::default() },
                |project| Identity { project, ..known },
            );
            // As Keystone's middleware does: what the client says of itself is nothing to whoever comes after.
            request.headers_mut().set("x-project-id", &identity.project);
            let expires = Some(self.host.now().after(Duration::from_secs(seconds)));
            request.set_identity(Identity { expires, ..identity });
        }
        Ok(Verdict::Continue)
    }

    async fn request(&self, _call: &Call, _state: &mut (), _request: &mut Request) -> Result<Verdict> {
        let mut answer = Response::error(403, "No", "By a filter.");
        match spoil(self.at(Moment::Request).await?, &mut answer) {
            true => Ok(Verdict::Respond(answer)),
            false => Ok(Verdict::Continue),
        }
    }

    async fn ingress(
        &self,
        _call: &Call,
        _state: &mut (),
        _request: &Request,
        messages: &mut Vec<NewMessage>,
    ) -> Result<Verdict> {
        match self.at(Moment::Ingress).await? {
            Does::OneMore => messages.push(NewMessage::default()),
            Does::NoJson => messages.iter_mut().for_each(|message| message.body = Bytes::from_static(b"{")),
            _ => {}
        }
        Ok(Verdict::Continue)
    }

    async fn egress(
        &self,
        _call: &Call,
        _state: &mut (),
        _reader: &Reader<'_>,
        messages: &mut Vec<Message>,
    ) -> Result<Verdict> {
        match self.at(Moment::Egress).await? {
            Does::OneMore => messages.extend(messages.first().cloned()),
            Does::NoJson => messages.iter_mut().for_each(|message| message.body = Bytes::from_static(b"{")),
            _ => {}
        }
        Ok(Verdict::Continue)
    }

    async fn response(&self, _call: &Call, _state: &mut (), _request: &Request, answer: &mut Response) -> Result<()> {
        let does = self.at(Moment::Response).await?;
        spoil(does, answer);
        match does {
            Does::Spoils => Err(Error::unavailable("out of order")),
            _ => Ok(()),
        }
    }

    async fn shutdown(&self) {
        tracing::info!("the filter is shut down");
        // Nobody hears of it but the log: shutting down cannot fail.
        if let Err(error) = act(self.behaviour.at("shutdown")).await {
            tracing::error!(%error, "shutting down failed");
        }
    }
}

/// Makes an answer none, if that is what is to be done.
fn spoil(does: Does, answer: &mut Response) -> bool {
    match does {
        Does::NoStatus => answer.set_status(99),
        Does::NoJson => answer.set_body("{"),
        Does::Spoils => {
            answer.set_status(202);
            answer.headers_mut().set("location", "/elsewhere");
            answer.headers_mut().add("by-a-filter", "yes");
            answer.set_body("{}");
        }
        Does::Frames => {
            for (name, value) in [
                ("content-length", "5"),
                ("transfer-encoding", "gzip"),
                ("connection", "upgrade"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "close"),
                ("content-type", "text/plain"),
            ] {
                answer.headers_mut().add(name, value);
            }
        }
        _ => return false,
    }
    true
}
