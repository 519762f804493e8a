//! Commits: whole or not at all, by what each change expects.

use super::Project;
use crate::conformance::bench::kind;
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{CatalogBench, Failure};
use crate::{Change, Commit, ErrorKind, Expect, Extensions, Write};

cases! { CatalogBench:
    "catalog.commit.put" put "a record is read as it was put, and replaced whole"
    "catalog.commit.delete" delete "a deleted record is gone; deleting what is absent is no error"
    "catalog.commit.expects" expects "a commit is made only if every expectation holds, and says which did not"
    "catalog.commit.all_or_none" all_or_none "a commit is made whole or not at all"
    "catalog.commit.revisions" revisions "revisions rise, and those of a record made anew are new"
    "catalog.commit.race" race "of commits that expect the same revision one is made"
    "catalog.commit.bounds" bounds "100 changes are taken; more, or two of one record, are refused"
    "catalog.commit.any_bytes" any_bytes "values, names and projects of any characters are kept to the byte"
}

async fn put(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    ensure_eq!(project.value("a").await?, None, "an absent record");
    let mut extensions = Extensions::new();
    extensions.set(2000, "kept");
    let write = Write::Put { value: "1".into(), expires_in: None, extensions: extensions.clone() };
    let done = project.commit(vec![Change { key: project.key("a"), expect: Expect::Absent, write }]).await?;
    let record = project.get("a").await?;
    let Some(record) = record else { return Err(Failure::Broken("the record is not there".to_owned())) };
    ensure_eq!((&*record.value, &record.key), (&b"1"[..], &project.key("a")), "value and key");
    ensure_eq!((record.expires, &record.extensions), (None, &extensions), "expiry and extensions");
    ensure_eq!(done, Commit::Done(vec![record.revision]), "the revision that the commit gave");
    project.put("a", "2").await?;
    let record = project.get("a").await?;
    ensure!(
        record.is_some_and(|record| &*record.value == b"2" && record.extensions.is_empty()),
        "it is not replaced whole"
    );
    Ok(())
}

async fn delete(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    project.put("a", "1").await?;
    for _ in 0..2 {
        let done = project.commit(vec![Change::delete(project.key("a"), Expect::Any)]).await?;
        ensure!(matches!(done, Commit::Done(_)), "deleting came to {done:?}");
        ensure_eq!(project.value("a").await?, None, "the deleted record");
    }
    ensure_eq!(project.count().await?, 0, "the count");
    Ok(())
}

async fn expects(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    let revision = project.put("a", "1").await?;
    let attempt = |name: &str, expect| Change::put(project.key(name), expect, "2");
    for (change, why) in [
        (attempt("a", Expect::Absent), "absent, but it is there"),
        (attempt("a", Expect::Revision(revision + 1)), "another revision"),
        (attempt("b", Expect::Revision(revision)), "a revision, but it is absent"),
        (Change { write: Write::Check, ..attempt("a", Expect::Absent) }, "absent (a check), but it is there"),
        (Change::delete(project.key("b"), Expect::Revision(1)), "a revision to delete, but it is absent"),
    ] {
        ensure_eq!(project.commit(vec![change]).await?, Commit::Failed(0), "a commit that expects {why}");
    }
    ensure_eq!(project.value("a").await?, Some("1".into()), "the record after failed commits");
    let done = project.commit(vec![attempt("a", Expect::Revision(revision)), attempt("b", Expect::Absent)]).await?;
    ensure!(matches!(done, Commit::Done(_)), "a commit whose expectations hold came to {done:?}");
    Ok(())
}

async fn all_or_none(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    project.put("b", "1").await?;
    let changes = vec![
        Change::put(project.key("a"), Expect::Absent, "2"),
        Change::put(project.key("b"), Expect::Absent, "2"),
        Change::put(project.key("c"), Expect::Absent, "2"),
    ];
    ensure_eq!(project.commit(changes).await?, Commit::Failed(1), "the commit");
    ensure_eq!(project.names(None, 10).await?, ["b"], "the records");
    ensure_eq!(project.value("b").await?, Some("1".into()), "the record whose expectation did not hold");
    Ok(())
}

async fn revisions(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    let first = project.put("a", "1").await?;
    let second = project.put("a", "2").await?;
    ensure!(second > first, "revision {second} follows {first}");
    project.commit(vec![Change::delete(project.key("a"), Expect::Any)]).await?;
    let anew = project.put("a", "3").await?;
    ensure!(anew > second, "a record made anew has revision {anew}, after {second}");
    Ok(())
}

async fn race(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    let revision = project.put("a", "0").await?;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (bench, key) = (project.bench.clone(), project.key("a"));
        racers.spawn(async move {
            let change = Change::put(key, Expect::Revision(revision), "1");
            bench.catalog.commit(&bench.call(), vec![change]).await
        });
    }
    let mut made = 0;
    while let Some(outcome) = racers.join_next().await {
        let outcome = outcome.map_err(|error| Failure::Broken(error.to_string()))??;
        made += usize::from(matches!(outcome, Commit::Done(_)));
    }
    ensure_eq!(made, 1, "commits that were made");
    Ok(())
}

async fn bounds(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    let changes =
        |count: usize| (0..count).map(|n| Change::put(project.key(&format!("{n:03}")), Expect::Any, "1")).collect();
    let done = project.commit(changes(100)).await?;
    ensure!(matches!(done, Commit::Done(revisions) if revisions.len() == 100), "100 changes were not made");
    let call = project.bench.call();
    let more = project.bench.catalog.commit(&call, changes(101)).await;
    ensure_eq!(kind(more), Some(ErrorKind::TooLarge), "101 changes");
    let twice = vec![Change::put(project.key("x"), Expect::Any, "1"), Change::delete(project.key("x"), Expect::Any)];
    let twice = project.bench.catalog.commit(&call, twice).await;
    ensure_eq!(kind(twice), Some(ErrorKind::Invalid), "two changes of one record");
    Ok(())
}

async fn any_bytes(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    for name in ["a\0b", "é", "e\u{301}", "A", "a", "a ", "'; --", "%_\\", "😀"] {
        project.put(name, "\0\u{1}é\u{10ffff}").await?;
        ensure_eq!(project.value(name).await?, Some("\0\u{1}é\u{10ffff}".into()), "the value under {name:?}");
    }
    ensure_eq!(project.count().await?, 9, "the names that are told apart");
    let projects = ["\0", "\0\0", "\u{1}", "\u{1}0", "é", "e\u{301}", " ", "😀"].map(|end| project.beside(end));
    for project in &projects {
        project.put("a", "1").await?;
        project.put("a\0b", "1").await?;
    }
    for project in &projects {
        ensure_eq!(project.names(None, 9).await?, ["a", "a\0b"], "the names in {:?}", project.name);
    }
    Ok(())
}
