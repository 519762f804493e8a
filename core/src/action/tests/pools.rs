//! Pools and flavors over two hosts of one catalog, and while stores are down.

use std::time::Duration;

use sukkal_plugin_sdk::Action;

use super::service::Service;
use super::stores::Next;

async fn register(service: &Service, name: &str, body: &str) -> String {
    service.ask(Action::PoolCreate).queue("").item(name).body(body).send().await
}

async fn delete(service: &Service, name: &str, force: &str) -> String {
    service.ask(Action::PoolDelete).queue("").item(name).param("force", force).send().await
}

async fn create(service: &Service, queue: &str, body: &str) -> String {
    service.ask(Action::QueueCreate).queue(queue).body(body).send().await
}

async fn post(service: &Service, queue: &str) -> String {
    service.ask(Action::MessagePost).queue(queue).body("{\"messages\":[{\"body\":1}]}").send().await
}

async fn bodies(service: &Service, queue: &str) -> String {
    service.ask(Action::MessageList).queue(queue).param("echo", "true").send().await
}

/// Asks until the answer is as it is due; the last one, if it never is. What another host is to remove is left to it for up
/// to four seconds, so that takes up to six and a half with the rounds around them.
async fn until(due: &str, ask: impl AsyncFn() -> String) -> String {
    let mut answer = ask().await;
    for _ in 0..500 {
        if answer == due {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer = ask().await;
    }
    answer
}

#[tokio::test]
async fn what_one_host_registers_the_other_uses() {
    let [one, other] = Service::poolless_pair();
    assert_eq!(post(&other, "q").await, "Unavailable No pools registered.");
    assert_eq!(register(&one, "p", "{\"uri\":\"a:\",\"weight\":1}").await, "PoolCreated");
    assert_eq!(create(&one, "q", "").await, "QueueCreated(true)");
    post(&one, "q").await;
    assert_eq!(bodies(&other, "q").await, "1", "a queue of a pool that this host has not heard of");
    let made = until("QueueCreated(true)", async || create(&other, "r", "").await).await;
    assert_eq!(made, "QueueCreated(true)");
}

#[tokio::test]
async fn a_pool_that_is_down_leaves_the_others_and_comes_back_by_itself() {
    let [one, other] = Service::poolless_pair();
    register(&one, "down", "{\"uri\":\"a:\",\"weight\":1}").await;
    create(&one, "q", "").await;
    post(&one, "q").await;
    one.stores.set_down("a:", true);
    register(&one, "up", "{\"uri\":\"b:\",\"weight\":1}").await;
    let listed = bodies(&other, "q").await;
    assert!(listed.starts_with("Unavailable The queue's pool is not available."), "{listed}");
    assert_eq!(other.ask(Action::QueueGet).queue("q").send().await, "Metadata({})", "the catalog knows it");
    for number in 0..20 {
        let queue = format!("new{number}");
        assert_eq!(create(&other, &queue, "").await, "QueueCreated(true)", "no queue is made where none can be used");
        assert_eq!(bodies(&other, &queue).await, "");
    }
    one.stores.set_down("a:", false);
    assert_eq!(until("1", async || bodies(&other, "q").await).await, "1");
}

#[tokio::test]
async fn a_pool_that_is_down_can_be_taken_out_of_use() {
    let [one, other] = Service::poolless_pair();
    register(&one, "p", "{\"uri\":\"a:\",\"weight\":1}").await;
    one.stores.set_down("a:", true);
    let patch = |body: &str| other.ask(Action::PoolUpdate).queue("").item("p").body(body);
    let patched = patch("{\"weight\":0}").send().await;
    assert!(patched.starts_with("Pool(") && patched.contains("weight: 0"), "{patched}");
    let refused = patch("{\"uri\":\"A:x\"}").send().await;
    assert!(refused.starts_with("Pool("), "another store can be opened: {refused}");
}

#[tokio::test]
async fn a_pool_is_not_deleted_while_queues_live_there() {
    let [one, other] = Service::poolless_pair();
    register(&one, "p", "{\"uri\":\"a:\",\"weight\":1}").await;
    create(&one, "q", "{\"_dead_letter_queue\":\"d\",\"_max_claim_count\":1}").await;
    post(&one, "q").await;
    assert!(delete(&other, "p", "").await.starts_with("PoolInUse Queues live in this pool;"));
    assert_eq!(create(&other, "r", "").await, "QueueCreated(true)", "it is in use as before");
    for queue in ["q", "r"] {
        one.ask(Action::QueueDelete).queue(queue).send().await;
    }
    assert!(delete(&other, "p", "").await.starts_with("PoolInUse"), "the dead letter queue lives there too");
    one.ask(Action::QueueDelete).queue("d").send().await;
    assert_eq!(delete(&other, "p", "").await, "PoolDeleted");
    assert_eq!(delete(&other, "p", "").await, "PoolDeleted");
    let due = "Unavailable No pools registered.";
    assert_eq!(until(due, async || post(&one, "q").await).await, due);
    assert_eq!(one.records.names("pool-queue").len() + one.records.names("pool-leaving").len(), 0);
}

#[tokio::test]
async fn queues_of_a_pool_deleted_by_force_are_there_again_with_it_or_can_be_deleted() {
    let service = Service::poolless_pair().into_iter().next().unwrap();
    let registered = async || register(&service, "p", "{\"uri\":\"a:\",\"weight\":1}").await;
    registered().await;
    for queue in ["q", "r"] {
        create(&service, queue, "").await;
        post(&service, queue).await;
    }
    assert_eq!(delete(&service, "p", "true").await, "PoolDeleted");
    let listed = bodies(&service, "q").await;
    assert!(listed.starts_with("Unavailable The queue's pool is not available."), "{listed}");
    assert_eq!(service.ask(Action::QueueList).queue("").send().await, "q r");
    assert_eq!(service.ask(Action::QueueDelete).queue("r").send().await, "QueueDeleted");
    assert_eq!(registered().await, "PoolCreated");
    assert_eq!(bodies(&service, "q").await, "1");
    assert_eq!(until("", async || service.records.names("dropping").join(" ")).await, "");
}

#[tokio::test]
async fn a_pool_that_is_gone_is_watched_no_more() {
    let service = Service::poolless_pair().into_iter().next().unwrap();
    register(&service, "p", "{\"uri\":\"a:\",\"weight\":1}").await;
    create(&service, "q", "").await;
    let before = service.ask(Action::QueueGet).queue("q").found().await;
    assert_eq!(delete(&service, "p", "true").await, "PoolDeleted");
    // Whoever still has the queue as it was waits for a moment, and then looks for what has taken its place.
    assert_eq!(service.watched_with(&before), 0);
    register(&service, "p", "{\"uri\":\"a:\",\"weight\":1}").await;
    assert_eq!(bodies(&service, "q").await, "");
    let now = service.ask(Action::QueueGet).queue("q").found().await;
    assert_eq!([service.watched_with(&now), service.watched_with(&before)], [1, 1]);
    assert_eq!(delete(&service, "p", "true").await, "PoolDeleted");
    register(&service, "other", "{\"uri\":\"b:\",\"weight\":1}").await;
    create(&service, "r", "").await;
    let elsewhere = service.ask(Action::QueueGet).queue("r").found().await;
    assert_eq!(service.watched_with(&elsewhere), 1, "that of the pool that is there");
}

#[tokio::test]
async fn one_store_is_one_pool() {
    let [one, other] = Service::poolless_pair();
    register(&one, "p", "{\"uri\":\"a:\",\"weight\":1}").await;
    assert_eq!(register(&one, "p", "{\"uri\":\"a:\",\"weight\":2}").await, "PoolCreated");
    let refused = "Conflict The database URI is in use by another pool. It is that of ";
    assert_eq!(register(&other, "r", "{\"uri\":\"A:\",\"weight\":1}").await, format!("{refused}the pool p."));
    let of_default = register(&other, "r", "{\"uri\":\"the-default:\",\"weight\":1}").await;
    assert_eq!(of_default, format!("{refused}the default pool."));
    assert_eq!(register(&one, "p", "{\"uri\":\"b:\",\"weight\":1}").await, "PoolCreated");
    assert_eq!(register(&other, "r", "{\"uri\":\"a:\",\"weight\":1}").await, "PoolCreated", "it was given up");
    assert_eq!(one.records.names("pool-store").len(), 2);
}

/// What a host of a build that knows stores by their URIs alone makes of a pool's record.
fn without_store(record: &str) -> String {
    record.replace(",\"store\":\"73\"", "")
}

#[tokio::test]
async fn what_a_store_has_said_counts_as_long_as_its_pool_has_it() {
    let [one, other] = Service::poolless_pair();
    let here = "{\"uri\":\"says-s:1\",\"weight\":1}";
    let there = "{\"uri\":\"says-s:2\",\"weight\":1}";
    assert_eq!(register(&one, "p", here).await, "PoolCreated");
    let refused = "Conflict The database URI is in use by another pool. It is that of the pool p.";
    assert_eq!(register(&other, "r", there).await, refused);
    // It is given another store.
    let elsewhere = |record: &str| without_store(record).replace("says-s:1", "a:");
    one.records.rewrite("pool", "p", elsewhere);
    assert_eq!(register(&other, "r", there).await, "PoolCreated");
    assert_eq!(register(&one, "q", here).await, refused.replace("pool p", "pool r"));
    // It is deleted.
    one.records.remove("pool", "r");
    assert_eq!(register(&other, "p", here).await, "PoolCreated");
    // It goes, and is registered anew.
    one.records.remove("pool", "p");
    assert_eq!(register(&one, "p", there).await, "PoolCreated");
    assert_eq!(register(&other, "r", here).await, refused);
}

#[tokio::test]
async fn which_store_a_pool_says_to_be_is_noted_where_its_record_does_not_tell() {
    let service = Service::poolless_pair().into_iter().next().unwrap();
    assert_eq!(register(&service, "p", "{\"uri\":\"says-s:1\",\"weight\":1}").await, "PoolCreated");
    let stores = || service.records.names("pool-store");
    let (registered, noted) = (stores(), service.records.value("pool", "p"));
    assert_eq!(registered.len(), 2, "by its URI, and as it says itself");
    // A host of an older build leaves what it does not know of, or has registered it.
    for leaves in [true, false] {
        service.records.rewrite("pool", "p", without_store);
        if !leaves {
            registered.iter().for_each(|store| service.records.remove("pool-store", store));
        }
        assert_eq!(until(&noted, async || service.records.value("pool", "p")).await, noted);
    }
    let said = stores();
    assert!(said.len() == 1 && registered.contains(&said[0]), "{said:?}");
}

#[tokio::test]
async fn what_was_shown_can_be_sent_back() {
    let service = Service::start();
    register(&service, "p", "{\"uri\":\"a:secret\",\"weight\":1}").await;
    let ask = |action| service.ask(action).queue("").item("p");
    let patched = ask(Action::PoolUpdate).body("{\"uri\":\"a:***\",\"weight\":7}").send().await;
    assert!(patched.contains("a:***") && patched.contains("weight: 7") && !patched.contains("secret"), "{patched}");
    service.stores.set_down("a:***", true);
    let refused = ask(Action::PoolUpdate).body("{\"uri\":\"a:***x\"}").send().await;
    assert!(refused.starts_with("Pool("), "{refused}");
    let refused = ask(Action::PoolUpdate).body("{\"uri\":\"b:***\"}").send().await;
    assert_eq!(refused, "BadBody the secret is not stored");
    assert_eq!(register(&service, "r", "{\"uri\":\"c:***\",\"weight\":1}").await, refused);
}

#[tokio::test]
async fn a_pool_has_one_flavor_and_a_flavor_pools_of_a_kind() {
    let service = Service::start();
    for (name, uri) in [("a", "a:"), ("b", "b:"), ("d", "durable:")] {
        register(&service, name, &format!("{{\"uri\":\"{uri}\",\"weight\":1}}")).await;
    }
    let ask = |action, name: &str| service.ask(action).queue("").item(name);
    let set = |name: &str, body: &str| ask(Action::FlavorCreate, name).body(body);
    assert_eq!(set("f", "{\"pool_list\":[\"a\",\"b\"]}").send().await, "FlavorCreated");
    assert_eq!(set("g", "{\"pool_list\":[\"b\"]}").send().await, "FlavorCreated");
    let shown = ask(Action::FlavorGet, "f").send().await;
    assert!(shown.contains("pool_list: [\"a\"]"), "{shown}");
    let mixed = set("g", "{\"pool_list\":[\"b\",\"d\"]}").send().await;
    assert!(mixed.starts_with("FlavorNotCreated Flavor g could not be created, error:Pool d"), "{mixed}");
    let joining = register(&service, "d", "{\"uri\":\"durable:\",\"weight\":1,\"flavor\":\"f\"}").await;
    assert!(joining.starts_with("PoolNotCreated The pool being added"), "{joining}");
    assert!(delete(&service, "b", "true").await.starts_with("PoolInUse This pool is used by flavors g;"));
    assert_eq!(ask(Action::FlavorDelete, "g").send().await, "FlavorDeleted");
    assert_eq!(delete(&service, "b", "").await, "PoolDeleted");
    assert_eq!(create(&service, "q", "{\"_flavor\":\"g\"}").await, "BadValue Flavor g does not exist");
    assert_eq!(create(&service, "q", "{\"_flavor\":\"f\"}").await, "QueueCreated(true)");
    ask(Action::PoolUpdate, "a").body("{\"weight\":0}").send().await;
    let full = create(&service, "r", "{\"_flavor\":\"f\"}").await;
    assert_eq!(full, "Unavailable No pool of the flavor f can be chosen.");
}

/// Two flavors, of a pool each.
async fn two_flavors(service: &Service) {
    for (name, uri) in [("a", "a:"), ("b", "b:")] {
        register(service, name, &format!("{{\"uri\":\"{uri}\",\"weight\":1,\"flavor\":\"{name}\"}}")).await;
        let create = service.ask(Action::FlavorCreate).queue("").item(name);
        create.body(&format!("{{\"pool_list\":[\"{name}\"]}}")).send().await;
    }
}

async fn change_flavor(service: &Service, flavor: &str) -> String {
    let body = format!("[{{\"op\":\"replace\",\"path\":\"/metadata/_flavor\",\"value\":\"{flavor}\"}}]");
    let ask = service.ask(Action::QueueUpdate).queue("q").body(&body);
    ask.header("content-type", "application/openstack-messaging-v2.0-json-patch").send().await
}

#[tokio::test]
async fn an_empty_queue_goes_where_its_flavor_is() {
    let [one, other] = Service::poolless_pair();
    two_flavors(&one).await;
    create(&one, "q", "{\"_flavor\":\"a\"}").await;
    post(&one, "q").await;
    assert_eq!(bodies(&other, "q").await, "1");
    let patch = async |flavor: &str| change_flavor(&one, flavor).await;
    assert_eq!(patch("b").await, "Conflict The flavor of the queue cannot be changed. It holds messages.");
    assert_eq!(patch("nosuch").await, "BadBody Flavor nosuch does not exist");
    assert_eq!(bodies(&one, "q").await, "1", "it is in use as before");
    assert_eq!(one.ask(Action::MessageDeleteMany).queue("q").param("pop", "1").send().await, "1");
    assert!(patch("b").await.starts_with("Metadata("));
    assert!(delete(&one, "a", "true").await.starts_with("PoolInUse This pool is used by flavors a;"));
    one.ask(Action::FlavorDelete).queue("").item("a").send().await;
    assert_eq!(delete(&one, "a", "").await, "PoolDeleted", "no queue lives there any more");
    // The other host knows the queue where it was.
    post(&other, "q").await;
    assert_eq!(bodies(&one, "q").await, "1");
    assert!(delete(&one, "b", "").await.starts_with("PoolInUse"));
}

async fn post_under_key(service: &Service) -> String {
    let post = service.ask(Action::MessagePost).header("idempotency-key", "k");
    post.body("{\"messages\":[{\"body\":1}]}").send().await
}

#[tokio::test]
async fn a_repeated_post_is_known_over_moves_by_every_host() {
    let [one, other] = Service::poolless_pair();
    two_flavors(&one).await;
    create(&one, "q", "{\"_flavor\":\"a\"}").await;
    let first = post_under_key(&one).await;
    // The other host knows the queue where it was.
    assert_eq!(bodies(&other, "q").await, "1");
    one.ask(Action::MessageDeleteMany).queue("q").param("pop", "1").send().await;
    for flavor in ["b", "a", "b"] {
        assert!(change_flavor(&one, flavor).await.starts_with("Metadata("));
        assert_eq!([post_under_key(&other).await, post_under_key(&one).await], [first.clone(), first.clone()]);
        assert_eq!(bodies(&one, "q").await, "", "nothing is stored again");
    }
    one.advance(599);
    assert_eq!(post_under_key(&one).await, first);
    one.advance(2);
    assert_ne!(post_under_key(&one).await, first, "its window is over");
    assert_eq!(bodies(&other, "q").await, "1");
    one.advance(60);
    assert_eq!(until("", async || one.records.names("moved").join(" ")).await, "", "what was left is removed");
    assert_eq!(bodies(&other, "q").await, "1", "and no more than that");
}

#[tokio::test]
async fn what_a_moved_queue_has_left_and_cannot_be_removed_is_left_alone_for_a_while() {
    let service = Service::poolless_pair().into_iter().next().unwrap();
    two_flavors(&service).await;
    create(&service, "q", "{\"_flavor\":\"a\"}").await;
    assert!(change_flavor(&service, "b").await.starts_with("Metadata("));
    service.stores.headers().fail_drops();
    service.advance(3_600);
    let tried = async || service.stores.headers().failed_drops().to_string();
    assert_eq!(until("1", async || tried().await).await, "1");
    // Some rounds.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(tried().await, "1");
}

#[tokio::test]
async fn a_repeated_post_is_known_though_the_pool_was_not_told_that_its_queue_has_left() {
    let service = Service::poolless_pair().into_iter().next().unwrap();
    two_flavors(&service).await;
    create(&service, "q", "{\"_flavor\":\"a\"}").await;
    let first = post_under_key(&service).await;
    service.ask(Action::MessageDeleteMany).queue("q").param("pop", "1").send().await;
    // That it is moving, that it is in the other pool, that it is used there, that it has left.
    service.stores.headers().expect([Next::Taken, Next::Taken, Next::Taken, Next::Refused]);
    assert!(change_flavor(&service, "b").await.starts_with("Metadata("));
    assert!(service.stores.headers().have_come());
    assert_eq!(post_under_key(&service).await, first);
    assert_eq!(bodies(&service, "q").await, "");
}

#[tokio::test]
async fn a_queue_is_not_taken_for_empty_where_it_lived_before() {
    let [one, other] = Service::poolless_pair();
    two_flavors(&one).await;
    create(&one, "q", "{\"_flavor\":\"a\"}").await;
    assert_eq!(bodies(&other, "q").await, "");
    assert!(change_flavor(&one, "b").await.starts_with("Metadata("));
    post(&one, "q").await;
    // The other host knows the queue where it was, and cannot tell the pool of it where it is.
    other.stores.headers().expect([Next::Refused]);
    let told = bodies(&other, "q").await;
    assert!(told.starts_with("Unavailable") && other.stores.headers().have_come(), "{told}");
    assert_eq!(bodies(&other, "q").await, "1");
}
