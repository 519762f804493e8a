"""python-zaqarclient, as published, with every verb of queues, messages, claims, subscriptions
and signed URLs.

Usage: zaqarclient_rest.py http://HOST:PORT [N_CLAIMS]
"""

import sys

from zaqarclient.queues import client
from zaqarclient.transport import errors

NOAUTH = {"auth_opts": {"backend": "noauth", "options": {"os_project_id": "p1"}}}


def bodies(messages):
    return [message.body for message in messages]


def queues(zaqar):
    queue = zaqar.queue("orders", force_create=True)
    assert queue.exists()
    assert not zaqar.queue("nosuch").exists()
    assert queue.metadata()["_default_message_ttl"] == 3600
    # The client removes what its user no longer names, reserved keys too.
    queue.metadata(new_meta={"owner": "me", "_default_message_ttl": 600})
    assert queue.metadata(force_reload=True)["owner"] == "me"
    queue.metadata(new_meta={"owner": "you"})
    shown = queue.metadata(force_reload=True)
    assert (shown["owner"], shown["_default_message_ttl"]) == ("you", 3600), shown
    zaqar.queue("other", force_create=True)
    listed, _ = zaqar.queues()
    assert [found.name for found in listed] == ["orders", "other"]
    streamed, _ = zaqar.queues(limit=1)
    assert [found.name for found in streamed.stream()] == ["orders", "other"], "pages are followed"
    listed, count = zaqar.queues(with_count=True, detailed=True)
    assert count == 2 and next(listed).metadata_dict["owner"] == "you"
    assert zaqar.queue("orders").stats["messages"]["total"] == 0
    zaqar.queue("other").delete()
    assert not zaqar.queue("other").exists()


def messages(zaqar, reader):
    queue = zaqar.queue("orders")
    posted = queue.post([{"body": {"n": n}, "ttl": 300} for n in range(3)])
    ids = [path.rsplit("/", 1)[1] for path in posted["resources"]]
    queue.post({"body": "single", "ttl": 300})
    assert bodies(queue.messages()) == [], "one's own messages are left out"
    assert bodies(queue.messages(echo=True)) == [{"n": 0}, {"n": 1}, {"n": 2}, "single"]
    theirs = reader.queue("orders")
    assert bodies(theirs.messages(limit=2)) == [{"n": 0}, {"n": 1}]
    assert queue.message(ids[1]).body == {"n": 1}
    assert bodies(queue.messages(ids[0], ids[2])) == [{"n": 0}, {"n": 2}]
    queue.message(ids[0]).delete()
    queue.delete_messages(ids[1], ids[2])
    assert [message.body for message in queue.pop(2)] == ["single"]
    assert queue.stats["messages"]["total"] == 0
    queue.post([{"body": n} for n in range(30)])
    queue.purge()
    assert queue.stats["messages"]["total"] == 0
    try:
        queue.message(ids[0])
    except errors.ResourceNotFound:
        pass
    else:
        raise AssertionError("a deleted message was read")


def claims(zaqar, n_claims):
    queue = zaqar.queue("work")
    assert list(queue.claim()) == []
    for _ in range(n_claims):
        queue.post([{"body": n, "ttl": 300} for n in range(5)])
        claim = queue.claim(ttl=300, grace=60, limit=3)
        held = list(claim)
        assert bodies(held) == [0, 1, 2]
        assert queue.claim(id=claim.id).id == claim.id
        claim.update(ttl=600, grace=60)
        assert claim.ttl == 600
        held[0].delete()
        claim.delete()
        defaults = queue.claim()
        rest = list(defaults)
        assert bodies(rest) == [1, 2, 3, 4]
        for message in rest:
            message.delete()
        assert queue.stats["messages"]["total"] == 0
    try:
        queue.post({"body": 1, "ttl": 1})
    except errors.MalformedRequest as error:
        assert "TTL" in str(error)
    else:
        raise AssertionError("a life of a second was taken")


def subscriptions(zaqar):
    queue = "subscribed"
    made = zaqar.subscription(queue, subscriber="http://a.example", ttl=600, options={"n": 1})
    assert made.id and made.confirmed is False and made.options == {"n": 1}, vars(made)
    again = zaqar.subscription(queue, subscriber="http://a.example", ttl=600)
    assert again.id == made.id, "as long as it is not confirmed"
    for number in range(12):
        zaqar.subscription(queue, subscriber=f"mailto:s{number}@b.example", ttl=600)
    page, streamed = zaqar.subscriptions(queue, limit=5), zaqar.subscriptions(queue, limit=5).stream()
    assert len(list(page)) == 5 and len(list(streamed)) == 13
    made.update({"ttl": 300, "subscriber": None})
    shown = zaqar.subscription(queue, id=made.id)
    assert (shown.ttl, shown.subscriber) == (300, "http://a.example"), vars(shown)
    for unwanted in [{"subscriber": "ftp://a.example"}, {"subscriber": "http://a.example", "ttl": 59}]:
        try:
            zaqar.subscription(queue, **unwanted)
        except errors.MalformedRequest:
            continue
        raise AssertionError(f"{unwanted} was taken")
    made.delete()
    try:
        zaqar.subscription(queue, id=made.id)
    except errors.ResourceNotFound:
        pass
    else:
        raise AssertionError("a deleted subscription was read")
    zaqar.queue(queue).purge(resource_types=["subscriptions"])
    assert list(zaqar.subscriptions(queue)) == []


def signed_urls(zaqar, url):
    queue = zaqar.queue("shared")
    queue.post({"body": "for you", "ttl": 300})
    signed = queue.signed_url(paths=["messages"], ttl_seconds=600, methods=["GET", "POST"])
    options = {**signed, "os_project_id": signed["project"]}
    guest = client.Client(url, version=2, conf={"auth_opts": {"backend": "signed-url", "options": options}})
    theirs = guest.queue("shared", auto_create=False)
    assert bodies(theirs.messages(echo=True)) == ["for you"]
    theirs.post({"body": "for me", "ttl": 300})
    assert bodies(queue.messages(echo=True)) == ["for you", "for me"]
    for unshared in [theirs.delete, lambda: list(theirs.claim()), lambda: theirs.pop(1)]:
        try:
            unshared()
        except errors.ResourceNotFound:
            continue
        raise AssertionError("a guest did what was not shared")
    assert queue.stats["messages"]["total"] == 2


def main():
    zaqar = client.Client(sys.argv[1], version=2, conf=NOAUTH)
    reader = client.Client(sys.argv[1], version=2, conf=NOAUTH)
    queues(zaqar)
    messages(zaqar, reader)
    subscriptions(zaqar)
    signed_urls(zaqar, sys.argv[1])
    claims(zaqar, int(sys.argv[2]) if len(sys.argv) > 2 else 10)


if __name__ == "__main__":
    main()
