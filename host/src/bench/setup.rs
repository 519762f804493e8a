//! What is there before the measurement, and gone after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::fault::{Broken, Fault};
use super::messages::messages;
use super::progress::Progress;
use super::session::{Operation, Session};
use super::target::{TOKEN_MEND, Target};
use super::work::Work;
use super::{Failure, Options};
use crate::shutdown::Signals;

/// Posts that fill queues are below this, as servers by default allow no more.
const POST_BYTES: u64 = 240 * 1024;
/// And have no more messages than this.
const POST_MESSAGES: u64 = 1_000;
/// Without `--fill`: so many messages for claims, which use them up, and for each queue that is
/// listed.
const TO_CLAIM: u64 = 200_000;
const TO_LIST: u64 = 20;

/// Makes the queues; those that were made (and not there before) are for [`remove`], whatever came of the others.
pub async fn queues(options: &Options, target: &Target, signals: &mut Signals) -> (Vec<usize>, Result<(), Failure>) {
    if options.made {
        return (Vec::new(), Ok(()));
    }
    let progress = Progress::new("making queues");
    let (next, made) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    let shared = Arc::new((next, made));
    let mut makers = JoinSet::new();
    for mut session in Session::all(options, target) {
        let (shared, n_queues) = (shared.clone(), options.queues());
        makers.spawn(async move {
            while let Some(queue) = Some(shared.0.fetch_add(1, Ordering::Relaxed)).filter(|queue| *queue < n_queues) {
                let reply = session.expect(Operation::CreateQueue, queue, &[201, 204, 200]).await?;
                if reply.status == 201
                    && let Ok(mut made) = shared.1.lock()
                {
                    made.push(queue);
                }
            }
            Ok(())
        });
    }
    let mut making = std::pin::pin!(all(makers));
    let outcome = tokio::select! {
        outcome = &mut making => outcome.map_err(|fault| refused("a queue cannot be made", target, fault)),
        _ = signals.next() => {
            // Those under way are made, and must be known.
            shared.0.store(options.queues(), Ordering::Relaxed);
            let _ = making.await;
            Err(Failure::interrupted())
        }
    };
    drop(progress);
    (shared.1.lock().map(|mut made| std::mem::take(&mut *made)).unwrap_or_default(), outcome)
}

/// Posts what the work needs.
pub async fn fill(options: &Options, target: &Target) -> Result<(), Failure> {
    let wanted = options.fill.unwrap_or(match options.work {
        Work::Claim => TO_CLAIM,
        Work::List | Work::ListOthers => TO_LIST * options.queues() as u64,
        Work::Post | Work::Cycle | Work::Latency | Work::Wait | Work::WaitAnew => 0,
    });
    if wanted == 0 {
        return Ok(());
    }
    let n_queues = options.queues();
    let batch = (POST_BYTES / (options.size + 64)).clamp(1, POST_MESSAGES).min(wanted.div_ceil(n_queues as u64));
    let (body, n_posts) = (Arc::<[u8]>::from(messages(options, options.format, batch)), wanted.div_ceil(batch));
    let posted = Arc::new(AtomicU64::new(0));
    let progress = Progress::new("posting");
    let mut posters = JoinSet::new();
    for mut session in Session::all(options, target) {
        let (body, posted) = (body.clone(), posted.clone());
        posters.spawn(async move {
            loop {
                let number = posted.fetch_add(1, Ordering::Relaxed);
                if number >= n_posts {
                    return Ok(());
                }
                let queue = usize::try_from(number % n_queues as u64).unwrap_or(0);
                session.expect(Operation::Post(&body), queue, &[201]).await?;
            }
        });
    }
    let posting = all(posters);
    let mut posting = std::pin::pin!(posting);
    loop {
        let redraw = tokio::time::sleep(std::time::Duration::from_millis(200));
        tokio::select! {
            outcome = &mut posting => {
                return outcome.map_err(|fault| refused("the queues cannot be filled", target, fault));
            }
            () = redraw => progress.set(posted.load(Ordering::Relaxed) as f64 / n_posts as f64, ""),
        }
    }
}

/// Sees to it that nothing is there that would be received in place of what is posted, and before it.
pub async fn check_empty(options: &Options, target: &Target) -> Result<(), Failure> {
    // A queue that is made anew holds nothing.
    if !matches!(options.work, Work::Latency | Work::Wait) {
        return Ok(());
    }
    let mut session = Session::new(options, target);
    for queue in 0..options.queues() {
        let listed = session.expect(Operation::List { own: true }, queue, &[200, 204]).await;
        let listed = listed.map_err(|fault| refused("a queue cannot be looked into", target, fault))?;
        if listed.ids().is_ok() {
            let name = format!("{}-{queue}", options.prefix);
            return Err(Failure::new(format!("the queue {name} holds messages already; give another --prefix")));
        }
    }
    Ok(())
}

/// Removes the queues that were made.
pub async fn remove(options: &Options, target: &Target, made: Vec<usize>) -> Result<(), Failure> {
    let made = Arc::new(made);
    let mut removers = JoinSet::new();
    let sessions = Session::all(options, target);
    let step = sessions.len();
    for (first, mut session) in sessions.into_iter().enumerate() {
        let made = made.clone();
        removers.spawn(async move {
            for queue in made.iter().skip(first).step_by(step) {
                session.expect(Operation::DeleteQueue, *queue, &[204]).await?;
            }
            Ok(())
        });
    }
    all(removers).await.map_err(|fault| refused("a queue cannot be removed", target, fault))
}

async fn all(mut tasks: JoinSet<Result<(), Fault>>) -> Result<(), Fault> {
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(outcome) => outcome?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(())
}

fn refused(what: &str, target: &Target, fault: Fault) -> Failure {
    let address = &target.authority;
    match fault {
        Fault::Status(status @ (401 | 403), _) => {
            Failure::new(format!("{what}: {address} answers {status}; {TOKEN_MEND}"))
        }
        Fault::Status(status @ (404 | 405), _) => {
            Failure::new(format!("{what}: {address} answers {status}; is --url that of the messaging API?"))
        }
        Fault::Status(status, reason) if reason.is_empty() => {
            Failure::new(format!("{what}: {address} answers {status}"))
        }
        Fault::Status(status, reason) => Failure::new(format!("{what}: {address} answers {status}: {reason}")),
        Fault::Broken(Broken::Plain) => {
            Failure::new(format!("{what}: {address} speaks no TLS; write http:// for https://, or ws:// for wss://"))
        }
        Fault::Broken(Broken::NoTls) => Failure::new(format!(
            "{what}: {address}: TLS failed; SSL_CERT_FILE names the certificates to trust, if the \
             system's do not do"
        )),
        Fault::Broken(broken @ (Broken::NoHttp | Broken::NoWebsocket | Broken::NoAnswer)) => {
            Failure::new(format!("{what}: {address}: {}; is --url that of the messaging API?", broken.name()))
        }
        Fault::Broken(broken) => Failure::new(format!("{what}: {address}: {}; is the server there?", broken.name())),
    }
}
