//! Listings and counts.

use super::Project;
use crate::conformance::bench::MINUTE;
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{CatalogBench, Failure};
use crate::{Change, Expect, Extensions, RecordKey, Write};

cases! { CatalogBench:
    "catalog.listing.order" order "records are listed in the bytewise order of their names"
    "catalog.listing.pages" pages "a listing goes on after a name, which need not exist"
    "catalog.listing.apart" apart "kinds and projects do not see each other"
    "catalog.listing.many" many "records that are read together are those that are there, each by its own key"
    "catalog.listing.count" count "the count follows every change"
}

async fn order(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    let mut names = vec!["b", "B", "a", "a\0", "a\0b", "a.b", "a-b", "é", "z", "Z", "_", "10", "9", "ä"];
    for name in &names {
        project.put(name, "1").await?;
    }
    names.sort_unstable();
    ensure_eq!(project.names(None, 100).await?, names, "the listing");
    Ok(())
}

async fn pages(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    for name in ["a", "c", "e"] {
        project.put(name, "1").await?;
    }
    ensure_eq!(project.names(None, 2).await?, ["a", "c"], "the first page");
    ensure_eq!(project.names(Some("c"), 2).await?, ["e"], "what follows c");
    ensure_eq!(project.names(Some("b"), 2).await?, ["c", "e"], "what follows b, which is not there");
    ensure_eq!(project.names(Some("zzz"), 2).await?, Vec::<String>::new(), "what follows the end");
    Ok(())
}

async fn apart(bench: CatalogBench) -> Result<(), Failure> {
    let (one, other) = (Project::of(bench.clone()), Project::of(bench));
    one.put("a", "1").await?;
    other.put("a", "2").await?;
    other.put("b", "2").await?;
    let kind = RecordKey::new("other thing", one.name.clone(), "c");
    one.commit(vec![Change::put(kind, Expect::Absent, "3")]).await?;
    ensure_eq!(one.names(None, 10).await?, ["a"], "one project's listing");
    ensure_eq!(one.count().await?, 1, "one project's count");
    ensure_eq!(one.value("a").await?, Some("1".into()), "one project's record");
    // Parts of a key must not run into each other.
    let longer = Project { name: format!("{}x", one.name), bench: one.bench.clone() };
    ensure!(longer.names(None, 10).await?.is_empty(), "a project is taken for one whose name starts alike");
    Ok(())
}

async fn many(bench: CatalogBench) -> Result<(), Failure> {
    let (one, other) = (Project::of(bench.clone()), Project::of(bench.clone()));
    for (project, name) in [(&one, "a"), (&one, "b"), (&other, "a"), (&other, "c")] {
        project.put(name, "1").await?;
    }
    let ending = Write::Put { value: "1".into(), expires_in: Some(MINUTE), extensions: Extensions::new() };
    one.commit(vec![Change { key: one.key("ended"), expect: Expect::Any, write: ending }]).await?;
    bench.clock.advance(2 * MINUTE);
    let mut keys = vec![one.key("a"), one.key("c"), one.key("ended"), other.key("a"), other.key("c")];
    keys.extend((0..95).map(|number| other.key(&format!("none {number}"))));
    let mut found: Vec<_> = bench.catalog.get_many(&bench.call(), keys).await?;
    found.sort_by(|one, other| one.key.cmp(&other.key));
    let mut there = Vec::new();
    for (project, name) in [(&one, "a"), (&other, "a"), (&other, "c")] {
        there.extend(project.get(name).await?);
    }
    there.sort_by(|one, other| one.key.cmp(&other.key));
    ensure_eq!(found, there, "what is read together");
    ensure!(bench.catalog.get_many(&bench.call(), Vec::new()).await?.is_empty(), "no keys have records");
    Ok(())
}

async fn count(bench: CatalogBench) -> Result<(), Failure> {
    let project = Project::of(bench);
    for (number, name) in ["a", "b", "c", "b"].into_iter().enumerate() {
        project.put(name, "1").await?;
        ensure_eq!(project.count().await?, 3.min(number as u64 + 1), "the count after putting {name}");
    }
    project
        .commit(vec![Change::delete(project.key("a"), Expect::Any), Change::delete(project.key("z"), Expect::Any)])
        .await?;
    ensure_eq!(project.count().await?, 2, "the count after a deletion");
    project
        .commit(vec![
            Change::put(project.key("a"), Expect::Absent, "1"),
            Change::put(project.key("b"), Expect::Absent, "1"),
        ])
        .await?;
    ensure_eq!(project.count().await?, 2, "the count after a commit that was not made");
    Ok(())
}
