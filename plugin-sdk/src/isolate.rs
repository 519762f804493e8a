//! Filters whose code blocks: their hooks run on threads of the plugin's, and hold none of the host's.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::abi::guard::from_panic;
use crate::{
    Call, Error, Filter, Interest, Message, NewMessage, Reader, Request, RequestId, Response, Result, Verdict, runtime,
};

/// A filter each of whose hooks has a thread to itself, of the 32 that the plugin's runtime has for
/// what blocks; further hooks wait for one.
///
/// Hooks work on copies, which are handed back when they end well; one that panics or is not waited
/// for leaves request and messages as they were, and its state new.
pub(crate) struct Isolated<F>(Arc<F>);

impl<F: Filter> Isolated<F> {
    pub(crate) fn new(filter: F) -> Self {
        Isolated(Arc::new(filter))
    }
}

impl<F: Filter> Filter for Isolated<F> {
    type State = F::State;

    fn interest(&self) -> Interest {
        self.0.interest()
    }

    async fn authenticate(&self, call: &Call, state: &mut F::State, request: &mut Request) -> Result<Verdict> {
        let (filter, call, mut kept, mut copy) = (self.0.clone(), call.clone(), std::mem::take(state), request.clone());
        let work = move || async move {
            let verdict = filter.authenticate(&call, &mut kept, &mut copy).await;
            (verdict, kept, copy)
        };
        let verdict;
        (verdict, *state, *request) = apart(request.id(), work).await?;
        verdict
    }

    async fn request(&self, call: &Call, state: &mut F::State, request: &mut Request) -> Result<Verdict> {
        let (filter, call, mut kept, mut copy) = (self.0.clone(), call.clone(), std::mem::take(state), request.clone());
        let work = move || async move {
            let verdict = filter.request(&call, &mut kept, &mut copy).await;
            (verdict, kept, copy)
        };
        let verdict;
        (verdict, *state, *request) = apart(request.id(), work).await?;
        verdict
    }

    async fn ingress(
        &self,
        call: &Call,
        state: &mut F::State,
        request: &Request,
        messages: &mut Vec<NewMessage>,
    ) -> Result<Verdict> {
        let (filter, call, mut kept, request) = (self.0.clone(), call.clone(), std::mem::take(state), request.clone());
        let (id, mut copy) = (request.id(), messages.clone());
        let work = move || async move {
            let verdict = filter.ingress(&call, &mut kept, &request, &mut copy).await;
            (verdict, kept, copy)
        };
        let verdict;
        (verdict, *state, *messages) = apart(id, work).await?;
        verdict
    }

    async fn egress(
        &self,
        call: &Call,
        state: &mut F::State,
        reader: &Reader<'_>,
        messages: &mut Vec<Message>,
    ) -> Result<Verdict> {
        let subscription = match reader {
            Reader::Delivery { subscription, .. } => Some((*subscription).to_owned()),
            Reader::Request(_) => None,
        };
        let request = reader.request().clone();
        let (filter, call, mut kept) = (self.0.clone(), call.clone(), std::mem::take(state));
        let (id, mut copy) = (request.id(), messages.clone());
        let work = move || async move {
            let reader = match &subscription {
                Some(subscription) => Reader::Delivery { request: &request, subscription },
                None => Reader::Request(&request),
            };
            let verdict = filter.egress(&call, &mut kept, &reader, &mut copy).await;
            (verdict, kept, copy)
        };
        let verdict;
        (verdict, *state, *messages) = apart(id, work).await?;
        verdict
    }

    async fn response(
        &self,
        call: &Call,
        state: &mut F::State,
        request: &Request,
        response: &mut Response,
    ) -> Result<()> {
        let (filter, call, mut kept, request) = (self.0.clone(), call.clone(), std::mem::take(state), request.clone());
        let (id, mut copy) = (request.id(), response.clone());
        let work = move || async move {
            let done = filter.response(&call, &mut kept, &request, &mut copy).await;
            (done, kept, copy)
        };
        let done;
        (done, *state, *response) = apart(id, work).await?;
        done
    }

    async fn shutdown(&self) {
        let filter = self.0.clone();
        if let Err(error) = apart(RequestId(0), move || async move { filter.shutdown().await }).await {
            tracing::warn!(%error, "the filter did not end well");
        }
    }
}

/// Runs a hook on a thread of its own. When nobody waits for it any more, it is dropped where it
/// next awaits something; if it has not begun, it never does.
async fn apart<T, H>(request: RequestId, hook: impl FnOnce() -> H + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    H: Future<Output = T>,
{
    let runtime = Handle::try_current().map_err(|_| Error::internal("the plugin has no runtime"))?;
    let (mut waited_for, _waiting) = oneshot::channel::<()>();
    let own = runtime.clone();
    let task = runtime.spawn_blocking(move || {
        let _request = runtime::Current::set(request);
        own.block_on(async {
            tokio::select! {
                biased;
                () = waited_for.closed() => None,
                value = async { hook().await } => Some(value),
            }
        })
    });
    match task.await {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(Error::internal("nobody waits for the hook")),
        Err(ended) => Err(match ended.try_into_panic() {
            Ok(panic) => from_panic(panic.as_ref()),
            Err(ended) => Error::internal("the plugin failed").detail(ended),
        }),
    }
}
