"""python-zaqarclient's verbs of pools and flavors, as published.

Usage: zaqarclient_pools.py http://HOST:PORT
"""

import sys

from zaqarclient.queues import client
from zaqarclient.transport import errors

NOAUTH = {"auth_opts": {"backend": "noauth", "options": {"os_project_id": "p1"}}}


def refused(error, ask):
    try:
        ask()
    except error:
        return
    raise AssertionError(f"{error.__name__} was due")


def pools(zaqar):
    assert list(zaqar.pools()) == []
    one = zaqar.pool("one", uri="memory:one", weight=10, options={"max_messages": 1000})
    shown = one.get()
    assert (shown["name"], shown["uri"], shown["weight"], shown["flavor"]) == ("one", "memory:one", 10, None), shown
    one.update({"weight": 20})
    assert one.get()["weight"] == 20
    zaqar.pool("two", uri="memory:two", weight=10)
    # Whoever creates a pool that is there replaces it.
    zaqar.pool("two", uri="memory:two", weight=5)
    assert [(pool.name, pool.weight) for pool in zaqar.pools()] == [("one", 20), ("two", 5)]
    streamed = zaqar.pools(limit=1, detailed=True).stream()
    assert [(pool.name, pool.options) for pool in streamed] == [("one", {"max_messages": 1000}), ("two", {})]
    refused(errors.ConflictError, lambda: zaqar.pool("three", uri="memory:two", weight=1))
    refused(errors.MalformedRequest, lambda: zaqar.pool("three", uri="nope://x", weight=1))
    refused(errors.ResourceNotFound, lambda: zaqar.pool("three", auto_create=False).get())


def flavors(zaqar):
    assert list(zaqar.flavors()) == []
    fast = zaqar.flavor("fast", pool_list=["one", "two"])
    shown = fast.get()
    assert shown["pool_list"] == ["one", "two"] and "CLAIMS" in shown["capabilities"], shown
    zaqar.pool("three", uri="memory:three", weight=1)
    fast.update({"pool_list": ["two"]})
    assert fast.get()["pool_list"] == ["two"]
    assert [flavor.name for flavor in zaqar.flavors(detailed=True)] == ["fast"]
    refused(errors.MalformedRequest, lambda: zaqar.flavor("slow", pool_list=["nosuch"]))
    refused(errors.ForbiddenError, lambda: zaqar.pool("two", auto_create=False).delete())


def queues(zaqar):
    zaqar.queue("orders", force_create=True).post({"body": "a", "ttl": 300})
    assert [message.body for message in zaqar.queue("orders").messages(echo=True)] == ["a"]
    zaqar.queue("orders").delete()


def leave(zaqar):
    zaqar.flavor("fast", auto_create=False).delete()
    refused(errors.ResourceNotFound, lambda: zaqar.flavor("fast", auto_create=False).get())
    for name in ["one", "two", "three"]:
        zaqar.pool(name, auto_create=False).delete()
    assert list(zaqar.pools()) == []


def main():
    zaqar = client.Client(sys.argv[1], version=2, conf=NOAUTH)
    pools(zaqar)
    flavors(zaqar)
    queues(zaqar)
    leave(zaqar)


if __name__ == "__main__":
    main()
