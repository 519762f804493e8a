//! What surrounds every call on the plugin's side: panics become errors, the plugin's runtime is
//! entered, its logs know the request.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use abi_stable::std_types::RResult;
use async_ffi::{BorrowingFfiFuture, FutureExt};

use super::types::{ErrorForm, Ffi};
use crate::{Error, RequestId, Result, runtime};

/// How long a call may keep the host's thread between two awaits before its plugin is named.
const HELD: Duration = Duration::from_millis(500);

/// What an asynchronous method of a contract returns.
pub type FutureForm<'a, T> = BorrowingFfiFuture<'a, RResult<T, ErrorForm>>;

/// Runs a function of the author's; a panic is logged by the hook that the runtime has set.
pub fn catch<T>(run: impl FnOnce() -> T) -> Option<T> {
    let _entered = runtime::enter();
    catch_unwind(AssertUnwindSafe(run)).map_err(dispose).ok()
}

/// Makes an author's future fit to cross: every poll and the drop are guarded.
pub fn future<'a, T, F>(request: RequestId, make: impl FnOnce() -> F + Send + 'a) -> FutureForm<'a, T::Form>
where
    T: Ffi,
    F: Future<Output = Result<T>> + Send + 'a,
{
    // The author's code runs inside the async block, so also what it does before its first await
    // is guarded.
    let inner = async move { make().await };
    Guarded { inner: Some(inner), request }.into_ffi()
}

struct Guarded<F> {
    inner: Option<F>,
    request: RequestId,
}

impl<T: Ffi, F: Future<Output = Result<T>>> Future for Guarded<F> {
    type Output = RResult<T::Form, ErrorForm>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `inner` is pinned structurally: it is polled and dropped in place, never moved
        // out of `self`, which is `Unpin` only if it is.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(RResult::RErr(
                Error::internal("the plugin's future was polled after its end").into_form(),
            ));
        };
        // SAFETY: see above.
        let inner = unsafe { Pin::new_unchecked(inner) };
        let _entered = runtime::enter();
        let _request = runtime::Current::set(this.request);
        let begun = Instant::now();
        let polled = catch_unwind(AssertUnwindSafe(|| inner.poll(context)));
        let held = begun.elapsed();
        if held > HELD {
            let ms = held.as_millis();
            tracing::warn!(target: "guard", ms, "a call held its thread, which others wait for: something in it blocks");
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(match result {
                Ok(value) => RResult::ROk(value.into_form()),
                Err(error) => RResult::RErr(error.into_form()),
            }),
            Err(panic) => {
                let error = from_panic(panic.as_ref());
                dispose(panic);
                Poll::Ready(RResult::RErr(error.into_form()))
            }
        }
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        let _entered = runtime::enter();
        let _request = runtime::Current::set(self.request);
        // A panic in the drop of what the author's future holds must not cross the boundary. The
        // future is dropped in place by assigning over it.
        let inner = &mut self.inner;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| *inner = None)) {
            dispose(panic);
        }
    }
}

/// The error that a panic becomes.
pub fn from_panic(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::of_panic(text.unwrap_or("a panic without text"))
}

/// Drops what a panic has left. Where that panics as well, it must not cross the boundary either.
fn dispose(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // Its drop may do the same all over again.
        std::mem::forget(again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsAgain;

    impl Drop for PanicsAgain {
        fn drop(&mut self) {
            panic!("and again");
        }
    }

    async fn fails() -> Result<()> {
        std::panic::panic_any(PanicsAgain)
    }

    #[test]
    fn a_panic_that_panics_when_it_is_dropped_goes_no_further() {
        assert!(catch(|| std::panic::panic_any::<PanicsAgain>(PanicsAgain)).is_none());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(future::<(), _>(RequestId(1), fails));
        assert!(outcome.is_err());
    }
}
