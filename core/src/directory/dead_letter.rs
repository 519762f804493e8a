//! Dead letter queues: made when metadata name them, and found again when they are made anew
//! (spec: semantics, Dead letters).

use std::sync::Arc;
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::{Call, Change, DeadLetterRule, Expect, QueueId, QueueRef, RecordKey};

use super::Directory;
use super::queues::Queue;
use super::record::{DEAD_LETTER_SOURCE, QueueRecord, kind_of};
use crate::answer::Object;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Metadata;
use crate::name::{Kind, Named};
use crate::pools::{DEFAULT, Member};

/// A queue that names another as its dead letter queue, where it lives or is about to.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub name: &'a str,
    pub metadata: &'a Metadata,
    pub member: &'a Arc<Member>,
    pub reference: &'a QueueRef,
}

impl<'a> Source<'a> {
    /// A queue, where it lives.
    pub fn of(queue: &'a Queue) -> Source<'a> {
        Source { name: &queue.name, metadata: &queue.metadata, member: &queue.member, reference: &queue.reference }
    }

    /// Whether an atomic move to a queue is possible.
    fn is_beside(&self, target: &Queue) -> bool {
        let same_place = target.reference.placement() == self.reference.placement();
        target.member.name() == self.member.name() && same_place
    }
}

/// Makes the dead letter queue that a queue names, beside it, unless it is there. One that is elsewhere is
/// brought there, if it is empty and nobody else's. Gives a check that it is still there, for the commit that names it.
///
/// # Errors
/// `refusal`: it is there, but where no atomic move from the source is possible; or it is gone, and others that name
/// it are elsewhere.
pub async fn ensure(
    directory: &Directory,
    call: &Call,
    source: Source<'_>,
    refusal: ErrorKind,
) -> Result<Option<Change>> {
    // What is left of a deleted queue of that name may be forgotten, or another host be quicker.
    const TRIES: u32 = 4;
    let Some(name) = &source.metadata.dead_letter_queue else { return Ok(None) };
    for _ in 0..TRIES {
        if let Some(target) = directory.read(call, Named::queue(name)).await? {
            let target = bring_beside(directory, call, target, source, refusal).await?;
            return Ok(Some(target.unchanged()));
        }
        let other = first_other_source(directory, call, name, Some(source.name)).await?;
        if other.is_some_and(|other| !source.is_beside(&other)) {
            return Err(refused(name, refusal, OTHERS));
        }
        make(directory, call, name, source).await?;
    }
    // The pool has changed, or is being deleted: whoever tries again finds out.
    directory.pools.refresh(call, Instant::now()).await?;
    Err(Error::new(ErrorKind::Unavailable, "The queue's pool is being changed by others."))
}

/// Why one that others name cannot be elsewhere.
pub(super) const OTHERS: &str = "Other queues send it their dead letters.";

fn refused(name: &str, refusal: ErrorKind, why: &str) -> Error {
    let mend = "Empty it first, or name a queue that does not exist yet.";
    let text = format!("_dead_letter_queue {name} must live beside its queue, and cannot be moved there. {why} {mend}");
    Error::new(refusal, text)
}

/// A queue that can be served and names one as its dead letter queue, but for the one of this name. All of them
/// live in the same place.
async fn first_other_source(
    directory: &Directory,
    call: &Call,
    name: &str,
    but: Option<&str>,
) -> Result<Option<Arc<Queue>>> {
    let sources = first_sources(directory, call, Named::queue(name), 2).await?;
    let Some(other) = sources.iter().find(|source| Some(source.as_str()) != but) else { return Ok(None) };
    let other = directory.read(call, Named::queue(other)).await?;
    Ok(other.filter(|other| other.member.exists()))
}

/// Makes a dead letter queue beside its source, unless somebody changes something meanwhile.
async fn make(directory: &Directory, call: &Call, name: &str, source: Source<'_>) -> Result<()> {
    let named = Named::queue(name);
    let ended = directory.check_ended(call, named).await?;
    let id = QueueId(rand::random());
    let placement = source.member.pool()?.place(id, Some(source.reference.clone())).unwrap_or_default();
    let unconnected = is_named(directory, call, named).await?;
    let reference = QueueRef::new(id, 1, placement);
    let record = QueueRecord::new(&reference, source.member.name(), &Object::new(), unconnected)?;
    let key = RecordKey::new(kind_of(Kind::Queue), call.project(), name);
    let mut changes = vec![Change::put(key, Expect::Absent, record.to_bytes()?), ended];
    changes.extend(Directory::moves_in(source.member, id));
    if directory.commit(call, changes).await?
        && let Some(target) = directory.configured(call, named).await?
    {
        directory.connected(call, target).await;
    }
    Ok(())
}

/// Moves a dead letter queue beside its source, unless it is there.
async fn bring_beside(
    directory: &Directory,
    call: &Call,
    mut target: Arc<Queue>,
    source: Source<'_>,
    refusal: ErrorKind,
) -> Result<Arc<Queue>> {
    let name = target.name.clone();
    let refused = |why: &str| refused(&name, refusal, why);
    let mut attempts = directory.attempts(call);
    // Where one that moves arrives is not known yet.
    while target.moving || !source.is_beside(&target) {
        // One without a flavor has its source's, as when that one makes it.
        let of_another = target.metadata.flavor.is_some() && target.metadata.flavor != source.metadata.flavor;
        if of_another && target.member.name() != source.member.name() {
            return Err(refused("It has another flavor."));
        }
        if !source.is_beside(&target) && target.metadata.dead_letter_queue.as_deref() == Some(source.name) {
            return Err(refused("It sends its own dead letters back."));
        }
        let moved = directory.relocate(call, &target, target.metadata.clone(), source.member.clone(), Some(source));
        let moved = match Box::pin(moved).await {
            Err(error) if error.kind == ErrorKind::Conflict => return Err(refused(&error.message)),
            moved => moved?,
        };
        // Deleted meanwhile: whoever tries again makes it.
        target = directory.read(call, Named::queue(&name)).await?.ok_or_else(|| Error::contended("queue"))?;
        if !moved {
            attempts.again_or(|| Error::contended("queue")).await?;
        }
    }
    Ok(target)
}

/// Brings the dead letter queue of a queue that stays where it is back to it, should it have gone before.
pub async fn is_brought_back(directory: &Directory, call: &Call, queue: &Queue) -> bool {
    let Err(error) = ensure(directory, call, Source::of(queue), ErrorKind::Conflict).await else { return true };
    tracing::warn!(%error, queue = queue.name, project = queue.project, "a queue that stays is without its dead letter queue yet");
    false
}

/// Brings it back to one that has been without it since, and says so in its record.
///
/// # Errors
/// Those of [`Directory::update`].
pub async fn bring_back(directory: &Directory, call: &Call, queue: &Queue) -> Result<Option<Arc<Queue>>> {
    // Whoever found the queue waits, and mostly for something else.
    let call = directory.own_call(call, Duration::from_secs(2));
    directory.update(&call, queue.named(), |metadata| Ok(metadata.clone())).await
}

/// Beside what a new queue goes, and in which pool: beside its dead letter queue, if that is there already, or others
/// that name it; or beside `source`, which names it as its own; in a pool of its flavor that takes queues.
pub async fn site(
    directory: &Directory,
    call: &Call,
    metadata: &Metadata,
    source: Option<&str>,
) -> Result<Option<(Arc<Member>, QueueRef)>> {
    let takes = |member: &Member| member.name() == DEFAULT || member.terms().weight > 0;
    let beside = |queue: Arc<Queue>| (queue.member.clone(), queue.reference.clone());
    if let Some(name) = &metadata.dead_letter_queue {
        let target = match directory.read(call, Named::queue(name)).await? {
            None => first_other_source(directory, call, name, None).await?,
            target => target,
        };
        let fit = target.filter(|target| fits(&target.member, metadata) && takes(&target.member));
        if fit.is_some() {
            return Ok(fit.map(beside));
        }
    }
    let Some(source) = source else { return Ok(None) };
    let source = directory.read(call, Named::queue(source)).await?;
    // Where no flavor is asked for it is its source's, as when that one makes it.
    let fit = source.filter(|source| metadata.flavor.is_none() || fits(&source.member, metadata));
    Ok(fit.map(beside))
}

/// Whether a queue with these metadata may live in a pool.
pub fn fits(member: &Member, metadata: &Metadata) -> bool {
    // The default pool has no flavor either, and takes queues only where no other does.
    let default = member.name() != DEFAULT || metadata.flavor.is_none();
    member.exists() && member.terms().flavor == metadata.flavor && default
}

/// The rule that goes into a queue's header; none where its dead letter queue is gone.
pub async fn rule(directory: &Directory, call: &Call, queue: &Queue) -> Result<Option<DeadLetterRule>> {
    let Some(rule) = &queue.metadata.dead_letter else { return Ok(None) };
    let reference = match directory.read(call, Named::queue(&rule.queue)).await? {
        Some(target) if Source::of(queue).is_beside(&target) => target.reference.clone(),
        // It is gone, or one of the two is moving: messages must not be claimed for ever all the same. They wait
        // for the queue of this impossible id, and move when it is made anew (`connect`).
        _ => QueueRef::new(QueueId(0), 0, queue.reference.placement().to_vec()),
    };
    let ttl = rule.ttl.map(Duration::from_secs);
    Ok(Some(DeadLetterRule { queue: reference, max_claims: rule.max_claims, ttl }))
}

/// The changes that keep the index of who names which dead letter queue.
pub fn sources(project: &str, name: &str, before: Option<&Metadata>, after: Option<&Metadata>) -> Vec<Change> {
    let target = |metadata: Option<&Metadata>| metadata.and_then(|metadata| metadata.dead_letter_queue.clone());
    let key = |target: &str| RecordKey::new(DEAD_LETTER_SOURCE, project, format!("{target}\0{name}"));
    let (before, after) = (target(before), target(after));
    if before == after {
        return Vec::new();
    }
    let removed = before.map(|target| Change::delete(key(&target), Expect::Any));
    let added = after.map(|target| Change::put(key(&target), Expect::Any, Vec::new()));
    removed.into_iter().chain(added).collect()
}

/// Whether any queue names one as its dead letter queue.
pub async fn is_named(directory: &Directory, call: &Call, named: Named<'_>) -> Result<bool> {
    Ok(first_source(directory, call, named).await?.is_some())
}

/// Whether any queue but one of this name does.
pub async fn is_named_by_others(
    directory: &Directory,
    call: &Call,
    named: Named<'_>,
    but: Option<&str>,
) -> Result<bool> {
    let sources = first_sources(directory, call, named, 2).await?;
    Ok(sources.iter().any(|source| Some(source.as_str()) != but))
}

/// The first of the queues that name one as their dead letter queue.
pub async fn first_source(directory: &Directory, call: &Call, named: Named<'_>) -> Result<Option<String>> {
    Ok(first_sources(directory, call, named, 1).await?.into_iter().next())
}

async fn first_sources(directory: &Directory, call: &Call, named: Named<'_>, limit: u32) -> Result<Vec<String>> {
    if named.kind != Kind::Queue {
        return Ok(Vec::new());
    }
    let prefix = prefix(named.name);
    let (kind, project) = (DEAD_LETTER_SOURCE.to_owned(), call.project().to_owned());
    let first = directory.catalog.list(call, kind, project, Some(prefix.clone()), limit).await?;
    Ok(first.iter().filter_map(|record| record.key.name.strip_prefix(&prefix)).map(str::to_owned).collect())
}

/// Tells the pools of all queues that name a queue as theirs that it is (again) there, and notes in its
/// record that they know. `None`: it is gone.
pub async fn connect(directory: &Directory, call: &Call, queue: &Queue) -> Result<Option<Arc<Queue>>> {
    tell_sources(directory, call, &queue.name).await?;
    let mut attempts = directory.attempts(call);
    loop {
        let Some(queue) = directory.read(call, queue.named()).await? else { return Ok(None) };
        let record = QueueRecord { unconnected: false, ..queue.next_record()? };
        if !queue.unconnected || directory.commit(call, vec![queue.changed_to(&record)?]).await? {
            return directory.configured(call, queue.named()).await;
        }
        attempts.again_or(|| Error::contended("queue")).await?;
    }
}

async fn tell_sources(directory: &Directory, call: &Call, name: &str) -> Result<()> {
    const PAGE: u32 = 100;
    let prefix = prefix(name);
    let mut after = prefix.clone();
    loop {
        let (kind, project) = (DEAD_LETTER_SOURCE.to_owned(), call.project().to_owned());
        let page = directory.catalog.list(call, kind, project, Some(after.clone()), PAGE).await?;
        let full = page.len() == PAGE as usize;
        for record in page {
            let Some(source) = record.key.name.strip_prefix(&prefix) else { return Ok(()) };
            match directory.update(call, Named::queue(source), |metadata| Ok(metadata.clone())).await {
                // It lives elsewhere, and must stay there: its messages wait until they expire.
                Err(error) if matches!(error.kind, ErrorKind::BadBody | ErrorKind::BadValue | ErrorKind::Conflict) => {
                    tracing::warn!(%error, queue = source, project = call.project(), "a queue cannot have its dead letter queue");
                }
                outcome => drop(outcome?),
            }
            after = record.key.name;
        }
        if !full {
            return Ok(());
        }
    }
}

/// What the names of records begin with that say who names a queue as its dead letter queue.
fn prefix(name: &str) -> String {
    format!("{name}\0")
}
