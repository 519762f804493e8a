//! Subscriptions over time, over hosts, and after their queue.

use std::time::Duration;

use sukkal_plugin_sdk::Action;

use super::service::Service;
use super::stores::Next;

const BODY: &str = r#"{"subscriber":"http://a.example","ttl":60}"#;

impl Service {
    /// Subscribes; gives the new subscription's id.
    async fn subscribe(&self) -> String {
        let made = self.ask(Action::SubscriptionCreate).body(BODY).send().await;
        made.strip_prefix("Made ").unwrap_or_else(|| panic!("not made: {made}")).to_owned()
    }

    async fn subscription(&self, id: &str) -> String {
        self.ask(Action::SubscriptionGet).item(id).send().await
    }

    async fn update(&self, id: &str, body: &str) -> String {
        self.ask(Action::SubscriptionUpdate).item(id).body(body).send().await
    }
}

#[tokio::test]
async fn a_subscription_lives_on_from_its_renewal() {
    let service = Service::start();
    let id = service.subscribe().await;
    service.advance(50);
    assert_eq!(service.update(&id, r#"{"ttl":120}"#).await, "SubscriptionUpdated");
    service.advance(20);
    assert_eq!(service.subscription(&id).await, "ttl 120 age 20 {}");
    service.advance(105);
    assert_eq!(service.subscription(&id).await, format!("NotFound Subscription {id} does not exist"));
    assert_eq!(service.update(&id, r#"{"ttl":120}"#).await, format!("NotFound Subscription {id} does not exist"));
    assert_eq!(service.ask(Action::SubscriptionList).send().await, "");
    assert_ne!(service.subscribe().await, id, "its subscriber's place is free");
}

#[tokio::test]
async fn a_change_without_a_ttl_leaves_the_end_where_it_was() {
    let service = Service::start();
    let id = service.subscribe().await;
    service.advance(50);
    assert_eq!(service.update(&id, r#"{"options":{"n":1}}"#).await, "SubscriptionUpdated");
    let confirm = service.ask(Action::SubscriptionConfirm).item(&id).body(r#"{"confirmed":true}"#);
    assert_eq!(confirm.send().await, "SubscriptionConfirmed");
    service.advance(9);
    assert_eq!(service.subscription(&id).await, r#"ttl 60 age 59 {"n": Number(1)}"#);
    let again = service.ask(Action::SubscriptionCreate).body(BODY).send().await;
    assert_eq!(again, format!("Confirmed {id}"));
    service.advance(2);
    assert!(service.subscription(&id).await.starts_with("NotFound"));
    service.subscribe().await;
}

#[tokio::test]
async fn a_host_that_knows_the_queue_from_before_goes_on_after_its_first_subscription() {
    let [one, other] = Service::pair();
    other.post(&["1"]).await;
    one.subscribe().await;
    let calls = || other.ask(Action::MessagePost).body(r#"{"messages":[{"body":2}]}"#);
    assert!(!calls().send().await.contains("Unavailable"));
    assert_eq!(one.bodies().await, "1 2");
}

#[tokio::test]
async fn whoever_subscribes_after_one_that_failed_half_way_has_the_pool_told() {
    for again in [BODY, r#"{"subscriber":"http://another.example"}"#] {
        let service = Service::start();
        service.post(&["1"]).await;
        service.headers.expect([Next::Refused, Next::Taken]);
        let failed = service.ask(Action::SubscriptionCreate).body(BODY).send().await;
        assert!(failed.starts_with("Unavailable"), "{failed}");
        let subscribed = service.ask(Action::SubscriptionCreate).body(again).send().await;
        assert!(subscribed.starts_with("Made") || subscribed.starts_with("Unconfirmed"), "{subscribed}");
        assert!(service.headers.have_come(), "hosts that know the queue from before are to be refused");
    }
}

#[tokio::test]
async fn what_a_deleted_queue_had_of_subscriptions_is_removed() {
    let service = Service::start();
    for number in 0..130 {
        let body = format!(r#"{{"subscriber":"mailto:s{number}@a.example"}}"#);
        assert!(service.ask(Action::SubscriptionCreate).body(&body).send().await.starts_with("Made"));
    }
    let other = service.ask(Action::SubscriptionCreate).queue("other").body(BODY).send().await;
    service.ask(Action::QueueDelete).send().await;
    assert_eq!(service.ask(Action::SubscriptionList).send().await, "", "gone at once");
    let left = |kind: &str| service.records.names(kind).len();
    for _ in 0..500 {
        if (left("subscription"), left("subscriber"), left("dropping")) == (1, 1, 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((left("subscription"), left("subscriber"), left("dropping")), (1, 1, 0), "{other}");
}

#[tokio::test]
async fn a_queue_is_not_taken_for_empty_where_its_pool_was_not_told_that_it_has_changed() {
    let [one, other] = Service::pair();
    one.post(&["1"]).await;
    // By the first subscription; nor can the host that reads tell it.
    one.headers.expect([Next::Refused, Next::Refused]);
    let refused = one.ask(Action::SubscriptionCreate).body(BODY).send().await;
    assert!(refused.starts_with("Unavailable"), "{refused}");
    let told = other.bodies().await;
    assert!(told.starts_with("Unavailable") && one.headers.have_come(), "{told}");
    assert_eq!(other.bodies().await, "1");
}
