"""python-zaqarclient's websocket transport, as published, with every verb of queues, messages and claims.

Usage: zaqarclient_ws.py ws://HOST:PORT
"""

import json
import sys

from zaqarclient import transport
from zaqarclient.transport import errors, request

CONF = {"auth_opts": {"backend": "keystone", "options": {"os_auth_token": "t", "os_project_id": "p1"}}}


class Asker:
    """Sends requests one by one, as the client's own transport words them."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.ws = transport.get_transport_for(endpoint, options=CONF)

    def __call__(self, operation, **body):
        sent = request.Request(self.endpoint, operation, content=json.dumps(body))
        answer = self.ws.send(sent)
        return answer.status_code, json.loads(answer.content)


def queues(ask):
    assert ask("queue_create", queue_name="orders", metadata={"owner": "me"})[0] == 201
    assert ask("queue_create", queue_name="orders") == (204, "Queue orders created.")
    assert ask("queue_get", queue_name="orders") == (200, {"owner": "me"})
    assert ask("queue_list", detailed=True) == (200, {"queues": [{"name": "orders", "metadata": {"owner": "me"}}]})
    assert ask("queue_get_stats", queue_name="orders")[1]["messages"]["total"] == 0


def messages(ask):
    posted = [{"body": {"n": n}, "ttl": 300} for n in range(3)]
    status, body = ask("message_post", queue_name="orders", messages=posted)
    ids = body["message_ids"]
    assert status == 201 and len(ids) == 3
    assert ask("message_list", queue_name="orders") == (200, {"messages": []}), "one's own messages are left out"
    listed = ask("message_list", queue_name="orders", echo=True, limit=2)[1]["messages"]
    assert [message["body"] for message in listed] == [{"n": 0}, {"n": 1}]
    assert ask("message_get", queue_name="orders", message_id=ids[1])[1]["messages"]["body"] == {"n": 1}
    found = ask("message_get_many", queue_name="orders", message_ids=[ids[0], ids[2]])[1]["messages"]
    assert [message["id"] for message in found] == [ids[0], ids[2]]
    assert ask("message_delete", queue_name="orders", message_id=ids[0])[0] == 204
    assert ask("message_delete_many", queue_name="orders", message_ids=ids[1:2])[0] == 204
    popped = ask("message_delete_many", queue_name="orders", pop=1)[1]["messages"]
    assert [message["body"] for message in popped] == [{"n": 2}]
    try:
        ask("message_get", queue_name="orders", message_id=ids[0])
    except errors.ResourceNotFound:
        pass
    else:
        raise AssertionError("a deleted message was read")


def claims(ask):
    assert ask("claim_create", queue_name="work") == (204, {"claim_id": None})
    ask("message_post", queue_name="work", messages=[{"body": n} for n in range(5)])
    status, claim = ask("claim_create", queue_name="work", ttl=300, grace=60, limit=3)
    assert status == 201 and [message["body"] for message in claim["messages"]] == [0, 1, 2]
    here = {"queue_name": "work", "claim_id": claim["claim_id"]}
    assert ask("claim_get", **here)[1]["ttl"] == 300
    assert ask("claim_update", ttl=600, **here)[0] == 204
    assert ask("message_delete", message_id=claim["messages"][0]["id"], **here)[0] == 204
    assert ask("claim_delete", **here)[0] == 204
    assert ask("queue_get_stats", queue_name="work")[1]["messages"]["free"] == 4
    assert ask("queue_purge", queue_name="work")[0] == 204
    assert ask("queue_delete", queue_name="work")[0] == 204
    try:
        ask("message_post", queue_name="work", messages=[{"body": 1, "ttl": 1}])
    except errors.MalformedRequest:
        pass
    else:
        raise AssertionError("a life of a second was taken")


def main():
    ask = Asker(sys.argv[1])
    queues(ask)
    messages(ask)
    claims(ask)
    ask.ws.cleanup()


if __name__ == "__main__":
    main()
