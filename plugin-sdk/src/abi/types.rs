//! The FFI form of each data type that is moved across the boundary, and the way there and back.
//!
//! Strings, vectors and bytes are moved, not copied.

use std::time::Duration;

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec, Tuple2};
use bytes::Bytes;

use super::bytes::FfiBytes;
use super::catalog::LoadedCatalog;
use super::data::{QueueRef, Response};
use super::filter::LoadedFilter;
use super::notifier::LoadedNotifier;
use super::pool::LoadedPool;
use crate::*;

/// A type that can cross, in a form with a fixed layout.
pub trait Ffi: Sized {
    /// The form in which it crosses.
    type Form;
    /// Into that form.
    fn into_form(self) -> Self::Form;
    /// Back from it.
    fn from_form(form: Self::Form) -> Self;
}

macro_rules! crosses_as_it_is {
    ($($type:ty)*) => {$(
        impl Ffi for $type {
            type Form = $type;
            fn into_form(self) -> $type { self }
            fn from_form(form: $type) -> $type { form }
        }
    )*};
}

crosses_as_it_is!(() bool u32 u64 QueueRef Response LoadedCatalog LoadedPool LoadedFilter LoadedNotifier);

/// A type whose form is that of something simpler: how to get there and back.
macro_rules! crosses_as {
    ($($type:ty => $form:ty: $into:expr, $from:expr;)*) => {$(
        impl Ffi for $type {
            type Form = $form;
            fn into_form(self) -> $form { let into: fn($type) -> $form = $into; into(self) }
            fn from_form(form: $form) -> $type { let from: fn($form) -> $type = $from; from(form) }
        }
    )*};
}

crosses_as! {
    String => RString: RString::from, RString::into_string;
    Bytes => FfiBytes: FfiBytes::from, FfiBytes::into_bytes;
    Duration => u64: |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX), Duration::from_millis;
    Timestamp => i64: |it| it.0, Timestamp;
    Place => u64: |it| it.0, Place;
    QueueId => u64: |it| it.0, QueueId;
    ClaimId => Tuple2<u64, u64>: |it| Tuple2((it.0 >> 64) as u64, it.0 as u64),
        |form| ClaimId(u128::from(form.0) << 64 | u128::from(form.1));
    Lane => u32: Lane::code, Lane::from_code;
    Reason => u32: Reason::code, Reason::from_code;
    DeliveryKind => u32: DeliveryKind::code, DeliveryKind::from_code;
    ErrorKind => u32: ErrorKind::code, ErrorKind::from_code;
    Applied => u32: |it| u32::from(it == Applied::Unknown),
        |form| if form == 0 { Applied::No } else { Applied::Unknown };
    Extensions => RVec<ExtensionForm>: |it| it.0.into_form(), |form| Extensions(Vec::from_form(form));
    Interest => RVec<u64>: |it| it.0.iter().flat_map(|mask| [(mask >> 64) as u64, *mask as u64]).collect(),
        interest_from_form;
}

/// Tag and value of an extension.
pub type ExtensionForm = Tuple2<u32, FfiBytes>;

fn interest_from_form(form: RVec<u64>) -> Interest {
    let mut masks = [0; 5];
    for (mask, halves) in masks.iter_mut().zip(form.chunks_exact(2)) {
        *mask = u128::from(halves[0]) << 64 | u128::from(halves[1]);
    }
    Interest(masks)
}

impl<T: Ffi> Ffi for Vec<T> {
    type Form = RVec<T::Form>;
    fn into_form(self) -> Self::Form {
        self.into_iter().map(T::into_form).collect()
    }
    fn from_form(form: Self::Form) -> Self {
        form.into_iter().map(T::from_form).collect()
    }
}

impl<T: Ffi> Ffi for Option<T> {
    type Form = ROption<T::Form>;
    fn into_form(self) -> Self::Form {
        self.map(T::into_form).into()
    }
    fn from_form(form: Self::Form) -> Self {
        form.into_option().map(T::from_form)
    }
}

impl<A: Ffi, B: Ffi> Ffi for (A, B) {
    type Form = Tuple2<A::Form, B::Form>;
    fn into_form(self) -> Self::Form {
        Tuple2(self.0.into_form(), self.1.into_form())
    }
    fn from_form(form: Self::Form) -> Self {
        (A::from_form(form.0), B::from_form(form.1))
    }
}

/// A struct whose form has the same fields. Naming them all makes a forgotten one a compile error.
macro_rules! forms {
    ($($type:ident => $form:ident { $($field:ident: $of:ty),* $(,)? })*) => {$(
        #[repr(C)]
        #[derive(StableAbi, Clone)]
        pub struct $form { $($field: <$of as Ffi>::Form),* }

        impl Ffi for $type {
            type Form = $form;
            fn into_form(self) -> $form {
                let $type { $($field),* } = self;
                $form { $($field: $field.into_form()),* }
            }
            fn from_form(form: $form) -> $type {
                let $form { $($field),* } = form;
                $type { $($field: <$of as Ffi>::from_form($field)),* }
            }
        }
    )*};
}

forms! {
    Error => ErrorForm {
        kind: ErrorKind, message: String, detail: String, retry_after: Option<Duration>, applied: Applied,
        extensions: Extensions,
    }
    Identity => IdentityForm {
        project: String, user: String, roles: Vec<String>, expires: Option<Timestamp>, extensions: Extensions,
    }
    NewMessage => NewMessageForm { body: Bytes, ttl: Duration, delay: Duration, extensions: Extensions }
    MessageId => MessageIdForm { queue: QueueId, place: Place }
    Origin => OriginForm { label: Bytes, id: MessageId, claims: u32, reason: Reason }
    Message => MessageForm {
        place: Place, lane: Lane, body: Bytes, client: String, posted: Timestamp, ttl: Duration, expires: Timestamp,
        due: Timestamp, claim: Option<ClaimId>, claimed_until: Timestamp, claims: u32, origin: Option<Origin>,
        extensions: Extensions,
    }
    Batch => BatchForm { now: Timestamp, messages: Vec<Message>, extensions: Extensions }
    DeadLetterRule => DeadLetterRuleForm { queue: QueueRef, max_claims: u32, ttl: Option<Duration> }
    Header => HeaderForm {
        epoch: u64, label: Bytes, dead_letter: Option<DeadLetterRule>, dropping: bool, extensions: Extensions,
    }
    KnownQueue => KnownQueueForm { queue: QueueRef, label: Bytes, extensions: Extensions }
    Key => KeyForm { scope: String, key: Bytes, fingerprint: Bytes, window: Duration }
    Post => PostForm {
        lane: Lane, client: String, messages: Vec<NewMessage>, outbox: bool, key: Option<Key>,
        settles: Vec<(Lane, Place)>, fence: Option<u64>, extensions: Extensions,
    }
    Posted => PostedForm { places: Vec<Place>, repeated: bool, extensions: Extensions }
    List => ListForm {
        lane: Lane, after: Option<Place>, limit: u32, not_from: Option<String>, claimed: bool, delayed: bool,
        fence: Option<u64>, extensions: Extensions,
    }
    Delete => DeleteForm { lane: Lane, places: Vec<Place>, guard: Guard, fence: Option<u64>, extensions: Extensions }
    Deleted => DeletedForm { count: u32, refused: Option<Refused>, extensions: Extensions }
    NewClaim => NewClaimForm {
        id: ClaimId, limit: u32, ttl: Duration, grace: Duration, uncounted: bool, extensions: Extensions,
    }
    Claimed => ClaimedForm { batch: Batch, next_due: Option<Timestamp>, extensions: Extensions }
    Claim => ClaimForm {
        id: ClaimId, renewed: Timestamp, ttl: Duration, now: Timestamp, messages: Vec<Message>, extensions: Extensions,
    }
    Renewal => RenewalForm { ttl: Duration, grace: Duration, places: Option<Vec<Place>>, extensions: Extensions }
    Release => ReleaseForm {
        places: Option<Vec<Place>>, delay: Duration, uncounted: bool, extensions: Extensions,
    }
    Spot => SpotForm { place: Place, posted: Timestamp }
    Stats => StatsForm {
        free: u64, claimed: u64, exhausted: u64, oldest: Option<Spot>, newest: Option<Spot>, now: Timestamp,
        extensions: Extensions,
    }
    Budget => BudgetForm { items: u32, time: Duration }
    Progress => ProgressForm { done: bool, count: u64 }
    Swept => SweptForm { more: bool, expired: u64, freed: u64, moved: u64, stuck: u64 }
    Lease => LeaseForm { lane: Lane, holder: String, ttl: Duration, extensions: Extensions }
    Leased => LeasedForm { fence: u64, until: Timestamp }
    WatchChange => WatchChangeForm { add: Vec<QueueRef>, remove: Vec<QueueId>, extensions: Extensions }
    Hints => HintsForm { queues: Vec<QueueId>, lost: bool, extensions: Extensions }
    Export => ExportForm {
        messages: Vec<Message>, claims: Vec<Claim>, next_place: Place, next: Option<Cursor>, extensions: Extensions,
    }
    Usage => UsageForm {
        queues: u64, messages: u64, bytes: Option<u64>, free_bytes: Option<u64>, extensions: Extensions,
    }
    Capabilities => CapabilitiesForm {
        fifo: bool, claims: bool, durability: bool, at_least_once: bool, high_throughput: bool, remote: bool,
        max_batch: Option<u32>, max_batch_bytes: Option<u64>, extensions: Extensions,
    }
    Health => HealthForm { warnings: Vec<String>, extensions: Extensions }
    RecordKey => RecordKeyForm { kind: String, project: String, name: String }
    Record => RecordForm {
        key: RecordKey, revision: u64, value: Bytes, expires: Option<Timestamp>, extensions: Extensions,
    }
    Change => ChangeForm { key: RecordKey, expect: Expect, write: Write }
    Subscriber => SubscriberForm { uri: String, options: Bytes, ttl: Duration, extensions: Extensions }
    Delivery => DeliveryForm {
        kind: DeliveryKind, subscriber: Subscriber, subscription: String, queue: String, queue_id: QueueId,
        message: Option<MessageId>, payload: Bytes, attempt: u32, extensions: Extensions,
    }
    Manifest => ManifestForm {
        name: String, version: String, sdk: String, description: String, catalogs: Vec<String>, pools: Vec<String>,
        filters: Vec<String>, notifiers: Vec<String>, services: Vec<String>, settings_schema: String,
    }
}

/// An enum with contents: a number, and the contents of all its variants side by side.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct GuardForm {
    kind: u32,
    claims: RVec<Tuple2<u64, u64>>,
}

impl Ffi for Guard {
    type Form = GuardForm;
    fn into_form(self) -> GuardForm {
        let (kind, claims) = match self {
            Guard::Any => (0, Vec::new()),
            Guard::Unclaimed => (1, Vec::new()),
            Guard::Claim(id) => (2, vec![id]),
            Guard::EachClaimedBy(ids) => (3, ids),
        };
        GuardForm { kind, claims: claims.into_form() }
    }
    fn from_form(form: GuardForm) -> Self {
        let claims = Vec::<ClaimId>::from_form(form.claims);
        match (form.kind, claims.first()) {
            (0, _) => Guard::Any,
            (2, Some(id)) => Guard::Claim(*id),
            (3, _) => Guard::EachClaimedBy(claims),
            // The strictest of what is known, for what is not.
            _ => Guard::Unclaimed,
        }
    }
}

impl Ffi for Refused {
    type Form = u32;
    fn into_form(self) -> u32 {
        match self {
            Refused::Claimed => 1,
            Refused::NotClaimed => 2,
            Refused::ClaimGone => 3,
            Refused::OtherClaim => 4,
        }
    }
    fn from_form(form: u32) -> Self {
        match form {
            2 => Refused::NotClaimed,
            3 => Refused::ClaimGone,
            4 => Refused::OtherClaim,
            _ => Refused::Claimed,
        }
    }
}

impl Ffi for Expect {
    type Form = Tuple2<u32, u64>;
    fn into_form(self) -> Self::Form {
        match self {
            Expect::Any => Tuple2(0, 0),
            Expect::Absent => Tuple2(1, 0),
            Expect::Revision(revision) => Tuple2(2, revision),
        }
    }
    fn from_form(form: Self::Form) -> Self {
        match form.0 {
            0 => Expect::Any,
            2 => Expect::Revision(form.1),
            _ => Expect::Absent,
        }
    }
}

/// See [`GuardForm`].
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct WriteForm {
    kind: u32,
    value: FfiBytes,
    expires_in: ROption<u64>,
    extensions: RVec<ExtensionForm>,
}

impl Ffi for Write {
    type Form = WriteForm;
    fn into_form(self) -> WriteForm {
        let empty =
            |kind| WriteForm { kind, value: FfiBytes::empty(), expires_in: ROption::RNone, extensions: RVec::new() };
        match self {
            Write::Put { value, expires_in, extensions } => WriteForm {
                kind: 0,
                value: value.into_form(),
                expires_in: expires_in.into_form(),
                extensions: extensions.into_form(),
            },
            Write::Delete => empty(1),
            Write::Check => empty(2),
        }
    }
    fn from_form(form: WriteForm) -> Self {
        match form.kind {
            0 => Write::Put {
                value: Bytes::from_form(form.value),
                expires_in: Option::from_form(form.expires_in),
                extensions: Extensions::from_form(form.extensions),
            },
            1 => Write::Delete,
            _ => Write::Check,
        }
    }
}

impl Ffi for Commit {
    type Form = Tuple2<ROption<u32>, RVec<u64>>;
    fn into_form(self) -> Self::Form {
        match self {
            Commit::Done(revisions) => Tuple2(ROption::RNone, revisions.into_form()),
            Commit::Failed(change) => Tuple2(ROption::RSome(change), RVec::new()),
        }
    }
    fn from_form(form: Self::Form) -> Self {
        match form.0 {
            ROption::RNone => Commit::Done(Vec::from_form(form.1)),
            ROption::RSome(change) => Commit::Failed(change),
        }
    }
}

/// See [`GuardForm`].
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct OutcomeForm {
    kind: u32,
    reason: RString,
    retry_after: ROption<u64>,
}

impl Ffi for Outcome {
    type Form = OutcomeForm;
    fn into_form(self) -> OutcomeForm {
        let (kind, reason, retry_after) = match self {
            Outcome::Delivered => (0, String::new(), None),
            Outcome::Failed { reason, retry_after } => (1, reason, retry_after),
            Outcome::Gone { reason } => (2, reason, None),
        };
        OutcomeForm { kind, reason: reason.into_form(), retry_after: retry_after.into_form() }
    }
    fn from_form(form: OutcomeForm) -> Self {
        let reason = String::from_form(form.reason);
        match form.kind {
            0 => Outcome::Delivered,
            2 => Outcome::Gone { reason },
            _ => Outcome::Failed { reason, retry_after: Option::from_form(form.retry_after) },
        }
    }
}

impl Ffi for Verdict {
    type Form = Tuple2<u32, ROption<Response>>;
    fn into_form(self) -> Self::Form {
        match self {
            Verdict::Continue => Tuple2(0, ROption::RNone),
            Verdict::Respond(response) => Tuple2(1, ROption::RSome(response)),
            Verdict::Skip => Tuple2(2, ROption::RNone),
        }
    }
    fn from_form(form: Self::Form) -> Self {
        match form {
            Tuple2(1, ROption::RSome(response)) => Verdict::Respond(response),
            Tuple2(2, _) => Verdict::Skip,
            _ => Verdict::Continue,
        }
    }
}
