//! Filters over the boundary. By hand, since hooks lend requests and a state to be changed.

use abi_stable::StableAbi;
use abi_stable::std_types::{RArc, ROption, RString, RVec, Tuple2};

use super::contract::finish;
use super::data::{Call, Request, Response};
use super::guard::{self, FutureForm};
use super::object::{Object, This};
use super::types::{Ffi, MessageForm, NewMessageForm};
use crate::isolate::Isolated;
use crate::{Error, Filter, Host, Interest, Message, NewMessage, Reader, Result, Verdict};

type VerdictForm = <Verdict as Ffi>::Form;
type IngressForm = Tuple2<VerdictForm, RVec<NewMessageForm>>;
type EgressForm = Tuple2<VerdictForm, RVec<MessageForm>>;

/// The methods of the contract, as a library hands them over.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = FilterVtableRef)))]
#[sabi(missing_field(option))]
pub struct FilterVtable {
    interest: for<'a> extern "C" fn(This<'a>) -> ROption<RVec<u64>>,
    new_state: extern "C" fn() -> ROption<Object>,
    authenticate: for<'a> extern "C" fn(This<'a>, &'a Call, State<'a>, &'a mut Request) -> FutureForm<'a, VerdictForm>,
    request: for<'a> extern "C" fn(This<'a>, &'a Call, State<'a>, &'a mut Request) -> FutureForm<'a, VerdictForm>,
    ingress: for<'a> extern "C" fn(
        This<'a>,
        &'a Call,
        State<'a>,
        &'a Request,
        RVec<NewMessageForm>,
    ) -> FutureForm<'a, IngressForm>,
    egress: for<'a> extern "C" fn(
        This<'a>,
        &'a Call,
        State<'a>,
        &'a Request,
        ROption<RString>,
        RVec<MessageForm>,
    ) -> FutureForm<'a, EgressForm>,
    response: for<'a> extern "C" fn(This<'a>, &'a Call, State<'a>, &'a Request, &'a mut Response) -> FutureForm<'a, ()>,
    #[sabi(last_prefix_field)]
    shutdown: for<'a> extern "C" fn(This<'a>, &'a Call) -> FutureForm<'a, ()>,
}

/// A state lent to one hook, which alone may touch it meanwhile.
#[repr(transparent)]
#[derive(StableAbi)]
pub struct State<'a>(&'a mut Object);

/// What a filter keeps for the length of one request; made at its first hook.
#[derive(Default)]
pub struct FilterState(Option<Object>);

/// A filter's state as it lies in its [`Object`]: behind a lock that is never contended, since an
/// object is shared by nature and a state is `Send` alone.
struct Cell<T>(std::sync::Mutex<T>);

struct Side<F>(std::marker::PhantomData<F>);

impl<F: Filter> Side<F> {
    const VALUE: FilterVtable = FilterVtable {
        interest: Self::interest,
        new_state: Self::new_state,
        authenticate: Self::authenticate,
        request: Self::request,
        ingress: Self::ingress,
        egress: Self::egress,
        response: Self::response,
        shutdown: Self::shutdown,
    };

    abi_stable::staticref!(
        const VTABLE: abi_stable::prefix_type::WithMetadata<FilterVtable> =
            abi_stable::prefix_type::WithMetadata::new(Self::VALUE)
    );

    fn filter<'a>(this: This<'a>) -> &'a F {
        // SAFETY: this vtable is handed out only in `LoadedFilter::new`, with an object of `F`.
        unsafe { this.get::<F>() }
    }

    fn state<'a>(state: State<'a>) -> Result<&'a mut F::State> {
        // SAFETY: states are made by `new_state` of the same vtable alone. The object is lent
        // exclusively, so nobody else can reach the value while the borrow lasts.
        let cell = unsafe { &mut *state.0.pointer().cast::<Cell<F::State>>() };
        cell.0.get_mut().map_err(|_| Error::internal("the filter's state was left broken by a panic"))
    }

    extern "C" fn interest(this: This<'_>) -> ROption<RVec<u64>> {
        guard::catch(|| Self::filter(this).interest().into_form()).into()
    }

    extern "C" fn new_state() -> ROption<Object> {
        guard::catch(|| Object::new(Cell(std::sync::Mutex::new(F::State::default())))).into()
    }

    extern "C" fn authenticate<'a>(
        this: This<'a>,
        call: &'a Call,
        state: State<'a>,
        request: &'a mut Request,
    ) -> FutureForm<'a, VerdictForm> {
        guard::future::<Verdict, _>(call.request_id(), move || async move {
            Self::filter(this).authenticate(call, Self::state(state)?, request).await
        })
    }

    extern "C" fn request<'a>(
        this: This<'a>,
        call: &'a Call,
        state: State<'a>,
        request: &'a mut Request,
    ) -> FutureForm<'a, VerdictForm> {
        guard::future::<Verdict, _>(call.request_id(), move || async move {
            Self::filter(this).request(call, Self::state(state)?, request).await
        })
    }

    extern "C" fn ingress<'a>(
        this: This<'a>,
        call: &'a Call,
        state: State<'a>,
        request: &'a Request,
        messages: RVec<NewMessageForm>,
    ) -> FutureForm<'a, IngressForm> {
        guard::future::<(Verdict, Vec<NewMessage>), _>(call.request_id(), move || async move {
            let mut messages = Vec::from_form(messages);
            let verdict = Self::filter(this).ingress(call, Self::state(state)?, request, &mut messages).await?;
            Ok((verdict, messages))
        })
    }

    extern "C" fn egress<'a>(
        this: This<'a>,
        call: &'a Call,
        state: State<'a>,
        request: &'a Request,
        subscription: ROption<RString>,
        messages: RVec<MessageForm>,
    ) -> FutureForm<'a, EgressForm> {
        guard::future::<(Verdict, Vec<Message>), _>(call.request_id(), move || async move {
            let mut messages = Vec::from_form(messages);
            let reader = match &subscription {
                ROption::RSome(subscription) => Reader::Delivery { request, subscription: subscription.as_str() },
                ROption::RNone => Reader::Request(request),
            };
            let verdict = Self::filter(this).egress(call, Self::state(state)?, &reader, &mut messages).await?;
            Ok((verdict, messages))
        })
    }

    extern "C" fn response<'a>(
        this: This<'a>,
        call: &'a Call,
        state: State<'a>,
        request: &'a Request,
        response: &'a mut Response,
    ) -> FutureForm<'a, ()> {
        guard::future::<(), _>(call.request_id(), move || async move {
            Self::filter(this).response(call, Self::state(state)?, request, response).await
        })
    }

    extern "C" fn shutdown<'a>(this: This<'a>, call: &'a Call) -> FutureForm<'a, ()> {
        guard::future::<(), _>(call.request_id(), move || async move {
            Self::filter(this).shutdown().await;
            Ok(())
        })
    }
}

/// An open filter, of whatever library. Clones are the same filter.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct LoadedFilter {
    object: RArc<Object>,
    vtable: FilterVtableRef,
}

impl LoadedFilter {
    /// Wraps an implementation.
    pub fn new<F: Filter>(filter: F) -> Self {
        LoadedFilter { object: RArc::new(Object::new(filter)), vtable: FilterVtableRef(Side::<F>::VTABLE.as_prefix()) }
    }

    /// Wraps what an author's function opened.
    pub fn opened<F: Filter>(filter: F, host: &Host) -> Self {
        if host.0.isolate { LoadedFilter::new(Isolated::new(filter)) } else { LoadedFilter::new(filter) }
    }

    /// See [`Filter::interest`]. `None`: it panicked.
    pub fn interest(&self) -> Option<Interest> {
        self.vtable.interest()(self.object.this()).into_option().map(Interest::from_form)
    }

    fn state<'a>(&self, state: &'a mut FilterState) -> Result<State<'a>> {
        if state.0.is_none() {
            state.0 = self.vtable.new_state()().into_option();
        }
        state.0.as_mut().map(State).ok_or_else(|| Error::internal("the filter's state could not be made"))
    }

    /// See [`Filter::authenticate`].
    pub async fn authenticate(&self, call: &Call, state: &mut FilterState, request: &mut Request) -> Result<Verdict> {
        finish::<Verdict>(self.vtable.authenticate()(self.object.this(), call, self.state(state)?, request)).await
    }

    /// See [`Filter::request`].
    pub async fn request(&self, call: &Call, state: &mut FilterState, request: &mut Request) -> Result<Verdict> {
        finish::<Verdict>(self.vtable.request()(self.object.this(), call, self.state(state)?, request)).await
    }

    /// See [`Filter::ingress`]. The messages are gone when it fails.
    pub async fn ingress(
        &self,
        call: &Call,
        state: &mut FilterState,
        request: &Request,
        messages: Vec<NewMessage>,
    ) -> Result<(Verdict, Vec<NewMessage>)> {
        let state = self.state(state)?;
        finish(self.vtable.ingress()(self.object.this(), call, state, request, messages.into_form())).await
    }

    /// See [`Filter::egress`]. The messages are gone when it fails.
    pub async fn egress(
        &self,
        call: &Call,
        state: &mut FilterState,
        reader: Reader<'_>,
        messages: Vec<Message>,
    ) -> Result<(Verdict, Vec<Message>)> {
        let state = self.state(state)?;
        let subscription = match reader {
            Reader::Delivery { subscription, .. } => ROption::RSome(RString::from(subscription)),
            Reader::Request(_) => ROption::RNone,
        };
        let request = reader.request();
        finish(self.vtable.egress()(self.object.this(), call, state, request, subscription, messages.into_form())).await
    }

    /// See [`Filter::response`].
    pub async fn response(
        &self,
        call: &Call,
        state: &mut FilterState,
        request: &Request,
        response: &mut Response,
    ) -> Result<()> {
        finish(self.vtable.response()(self.object.this(), call, self.state(state)?, request, response)).await
    }

    /// See [`Filter::shutdown`].
    pub async fn shutdown(&self, call: &Call) -> Result<()> {
        finish(self.vtable.shutdown()(self.object.this(), call)).await
    }
}
