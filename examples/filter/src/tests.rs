//! The filter as requests meet it: through the boundary, at the moments that it wants.

use sukkal_plugin_sdk::testing::{Bench, new_message, request, stored};
use sukkal_plugin_sdk::{Action, ErrorKind, Result};

use super::{SealFilter, Settings};

#[tokio::test]
async fn the_store_holds_what_no_reader_sees() -> Result<()> {
    let bench = Bench::new();
    let filter = bench.filter(SealFilter::open, Settings::default()).await?;
    let posted = vec![new_message(r#""hello""#)];
    let (_, sealed) = filter
        .passage(request(Action::MessagePost))
        .ingress(posted.clone())
        .await?;
    assert_eq!(sealed[0].body, r#""\"uryyb\"""#);
    let kept = stored(sealed, bench.clock());
    let (_, read) = filter
        .passage(request(Action::MessageList))
        .egress(kept)
        .await?;
    assert_eq!(read[0].body, posted[0].body);
    Ok(())
}

#[tokio::test]
async fn what_was_stored_without_the_filter_stays_as_it_is() -> Result<()> {
    let bench = Bench::new();
    let filter = bench.filter(SealFilter::open, Settings::default()).await?;
    let kept = stored(vec![new_message(r#""hello""#)], bench.clock());
    let (_, read) = filter
        .passage(request(Action::MessageList))
        .egress(kept)
        .await?;
    assert_eq!(read[0].body, r#""hello""#);
    Ok(())
}

#[tokio::test]
async fn a_rotation_out_of_range_is_refused() {
    for rotation in [0, 26] {
        let refused = Bench::new()
            .filter(SealFilter::open, Settings { rotation })
            .await;
        assert_eq!(
            refused.err().map(|error| error.kind),
            Some(ErrorKind::Invalid),
            "{rotation}"
        );
    }
}
