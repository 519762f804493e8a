"""openstacksdk's message proxy, as published, without Keystone.

Usage: openstacksdk_rest.py http://HOST:PORT
"""

import sys

from keystoneauth1 import noauth, session
from openstack import connection
from openstack.message.v2.claim import Claim


class Project(noauth.NoAuth):
    """Without Keystone somebody must tell the project."""

    def get_project_id(self, _session, **_arguments):
        return "p1"


def connect(url):
    identity = session.Session(auth=Project(endpoint=url))
    return connection.Connection(session=identity, message_endpoint_override=url, message_api_version="2").message


def main():
    message = connect(sys.argv[1])
    message.create_queue(name="orders")
    assert [queue.name for queue in message.queues()] == ["orders"]
    assert message.get_queue("orders").id == "orders"
    posted = message.post_message("orders", [{"body": {"n": n}, "ttl": 300} for n in range(25)])
    assert len(posted) == 25, posted
    # Lists page by the id of the last message that was seen.
    listed = [item.body["n"] for item in message.messages("orders", limit=4, echo=True)]
    assert listed == list(range(25)), listed
    # `message.create_claim` of this release reads the place of the cloud for the claim's Location,
    # whatever the server; the resource beneath it does not.
    claim = Claim.new(queue_name="orders", ttl=300, grace=60, limit=3).create(message)
    assert claim.id, claim
    message.update_claim("orders", claim.id, ttl=600, grace=60)
    shown = message.get_claim("orders", claim.id)
    assert shown.ttl == 600 and len(shown.messages) == 3, shown
    first = shown.messages[0]["id"]
    message.delete_message("orders", first, claim.id)
    message.delete_claim("orders", claim.id)
    assert message.get_message("orders", shown.messages[1]["id"]).body == {"n": 1}
    made = message.create_subscription("orders", subscriber="http://a.example", ttl=600, options={"n": 1})
    assert made.subscription_id, made
    shown = message.get_subscription("orders", made.subscription_id)
    assert (shown.subscriber, shown.ttl, shown.options) == ("http://a.example", 600, {"n": 1}), shown
    for n in range(11):
        message.create_subscription("orders", subscriber=f"mailto:s{n}@b.example")
    subscribers = [item.subscriber for item in message.subscriptions("orders", limit=5)]
    assert len(subscribers) == 12 and subscribers[0] == "http://a.example", subscribers
    message.delete_subscription("orders", made.subscription_id)
    assert len(list(message.subscriptions("orders"))) == 11
    message.delete_queue("orders")
    assert list(message.subscriptions("orders")) == []
    assert list(message.queues()) == []


if __name__ == "__main__":
    main()
