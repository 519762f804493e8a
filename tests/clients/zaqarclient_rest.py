"""python-zaqarclient, as published, with every verb of queues, messages and claims.

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


def main():
    zaqar = client.Client(sys.argv[1], version=2, conf=NOAUTH)
    reader = client.Client(sys.argv[1], version=2, conf=NOAUTH)
    queues(zaqar)
    messages(zaqar, reader)
    claims(zaqar, int(sys.argv[2]) if len(sys.argv) > 2 else 10)


if __name__ == "__main__":
    main()
