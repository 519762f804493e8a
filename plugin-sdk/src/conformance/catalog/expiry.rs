//! Records that expire.

use super::Project;
use crate::conformance::bench::MINUTE;
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{CatalogBench, Failure};
use crate::{Change, Commit, Expect, Extensions, Write};

cases! { CatalogBench:
    "catalog.expiry.absent" absent "an expired record is absent to every operation, before any sweep"
    "catalog.expiry.renewed" renewed "a record put again lives from then on"
    "catalog.expiry.swept" swept "a sweep removes what has expired, in steps, and nothing else"
}

fn put(project: &Project, name: &str, expect: Expect, minutes: Option<u32>) -> Change {
    let expires_in = minutes.map(|minutes| minutes * MINUTE);
    Change {
        key: project.key(name),
        expect,
        write: Write::Put { value: "1".into(), expires_in, extensions: Extensions::new() },
    }
}

async fn absent(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    let revision = project
        .commit(vec![put(&project, "a", Expect::Absent, Some(5)), put(&project, "b", Expect::Absent, None)])
        .await?;
    let expires = project.get("a").await?.and_then(|record| record.expires);
    let now = project.bench.clock.now();
    ensure!(
        expires.is_some_and(|at| at > now.after(4 * MINUTE) && at <= now.after(5 * MINUTE)),
        "it ends at {expires:?}"
    );
    project.bench.clock.advance(6 * MINUTE);
    ensure_eq!(project.value("a").await?, None, "reading it");
    ensure_eq!(project.names(None, 10).await?, ["b"], "the listing");
    ensure_eq!(project.count().await?, 1, "the count");
    let Commit::Done(revisions) = revision else {
        return Err(Failure::Broken("the first commit was not made".to_owned()));
    };
    let old = put(&project, "a", Expect::Revision(revisions[0]), None);
    ensure_eq!(project.commit(vec![old]).await?, Commit::Failed(0), "expecting its revision");
    let anew = project.commit(vec![put(&project, "a", Expect::Absent, None)]).await?;
    ensure!(matches!(anew, Commit::Done(_)), "making it anew came to {anew:?}");
    ensure_eq!(project.count().await?, 2, "the count when it is made anew");
    Ok(())
}

async fn renewed(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    project.commit(vec![put(&project, "a", Expect::Absent, Some(5))]).await?;
    project.bench.clock.advance(4 * MINUTE);
    project.commit(vec![put(&project, "a", Expect::Any, Some(5))]).await?;
    project.bench.clock.advance(4 * MINUTE);
    ensure!(project.value("a").await?.is_some(), "a renewed record has ended");
    project.commit(vec![put(&project, "a", Expect::Any, None)]).await?;
    project.bench.clock.advance(600 * MINUTE);
    ensure!(project.value("a").await?.is_some(), "a record put for ever has ended");
    ensure_eq!(project.count().await?, 1, "the count");
    Ok(())
}

async fn swept(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    for number in 0..25 {
        project.commit(vec![put(&project, &format!("{number}"), Expect::Absent, Some(5))]).await?;
    }
    project.put("kept", "1").await?;
    project.bench.clock.advance(6 * MINUTE);
    let mut steps = 0;
    while project.bench.catalog.sweep(&project.bench.call(), 10).await? {
        steps += 1;
        ensure!(steps < 1_000, "the sweep does not end");
    }
    ensure_eq!(project.names(None, 100).await?, ["kept"], "the listing");
    ensure_eq!(project.count().await?, 1, "the count");
    Ok(())
}
