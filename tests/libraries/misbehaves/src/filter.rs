//! The filter.

use sukkal_plugin_sdk::{
    Bytes, Call, Filter, Interest, Message, Moment, NewMessage, Open, Reader, Request, Response, Result, Verdict,
};

use crate::act::act;
use crate::behaviour::{Behaviour, Does};

/// A filter that sees every moment.
pub struct Misbehaves {
    behaviour: Behaviour,
}

impl Misbehaves {
    /// Opens it, which misbehaves at `open`.
    pub async fn open(open: Open<Behaviour>) -> Result<Misbehaves> {
        act(open.settings.at("open")).await?;
        Ok(Misbehaves { behaviour: open.settings })
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
        Moment::ALL.into_iter().fold(Interest::none(), Interest::all)
    }

    async fn authenticate(&self, _call: &Call, _state: &mut (), _request: &mut Request) -> Result<Verdict> {
        self.at(Moment::Authenticate).await?;
        Ok(Verdict::Continue)
    }

    async fn request(&self, _call: &Call, _state: &mut (), _request: &mut Request) -> Result<Verdict> {
        self.at(Moment::Request).await?;
        Ok(Verdict::Continue)
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

    async fn response(&self, _call: &Call, _state: &mut (), _request: &Request, _answer: &mut Response) -> Result<()> {
        self.at(Moment::Response).await?;
        Ok(())
    }

    async fn shutdown(&self) {
        tracing::info!("the filter is shut down");
        // Nobody hears of it but the log: shutting down cannot fail.
        if let Err(error) = act(self.behaviour.at("shutdown")).await {
            tracing::error!(%error, "shutting down failed");
        }
    }
}
