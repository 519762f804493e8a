//! The guides for authors of plugins, each followed word for word.

use sukkal_tests::guide::follow;

#[test]
fn the_guide_for_filters() {
    follow("docs/plugins/filter.md");
}

#[test]
fn the_guide_for_pools() {
    follow("docs/plugins/pool.md");
}

#[test]
fn the_guide_for_catalogs() {
    follow("docs/plugins/catalog.md");
}

#[test]
fn the_guide_for_notifiers() {
    follow("docs/plugins/notifier.md");
}
