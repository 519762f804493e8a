//! What a catalog holds outlives its closing.

use super::Project;
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{CatalogBench, Failure};

cases! { CatalogBench:
    "catalog.restart.records" records "records and counts are there after a restart"
    "catalog.restart.revisions" revisions "revisions go on after a restart"
    "catalog.health" health "a catalog that answers is healthy"
}

async fn durable(bench: CatalogBench) -> Result<Project, Failure> {
    if bench.catalog.health(&bench.call()).await?.is_volatile() {
        return Err(Failure::NotOffered("the catalog states that nothing of it outlives its closing".to_owned()));
    }
    Ok(Project::of(bench))
}

async fn restarted(project: Project) -> Result<Project, Failure> {
    Ok(Project { bench: project.bench.restart().await?, name: project.name })
}

async fn records(bench: CatalogBench) -> Result<(), Failure> {
    let project = durable(bench).await?;
    project.put("a", "1").await?;
    project.put("b", "2").await?;
    let project = restarted(project).await?;
    ensure_eq!(project.names(None, 10).await?, ["a", "b"], "the listing");
    ensure_eq!(project.count().await?, 2, "the count");
    ensure_eq!(project.value("b").await?, Some("2".into()), "a record");
    Ok(())
}

async fn revisions(bench: CatalogBench) -> Result<(), Failure> {
    let project = durable(bench).await?;
    let before = project.put("a", "1").await?;
    project.commit(vec![crate::Change::delete(project.key("a"), crate::Expect::Any)]).await?;
    let project = restarted(project).await?;
    let after = project.put("a", "1").await?;
    ensure!(after > before, "revision {after} follows {before} over a restart");
    Ok(())
}

async fn health(bench: CatalogBench) -> Result<(), Failure> {
    bench.catalog.health(&bench.call()).await?;
    Ok(())
}
