#!/usr/bin/env python3
"""Posts three orders and works them off: claim, do, delete. Needs Python alone."""

import json
import os
import urllib.request
import uuid

SUKKAL = os.environ.get("SUKKAL", "http://127.0.0.1:8888")
# How long an answer may take, in seconds: the server's own limit is 30, and as much longer as a request asks to wait.
TIMEOUT = 60
# Every request names its project, and its client: a UUID, the same as long as the client lives.
HEADERS = {"Client-ID": str(uuid.uuid4()), "X-Project-ID": "demo", "Content-Type": "application/json"}


def request(method, path, document=None):
    """Sends a JSON document and returns the answer's; None where it is a success without one. Raises for all others."""
    body = None if document is None else json.dumps(document).encode()
    asked = urllib.request.Request(SUKKAL + path, data=body, headers=HEADERS, method=method)
    with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def claim(queue, limit):
    """Takes messages that nobody else sees for five minutes; they come back if they are not deleted."""
    claimed = request("POST", f"/v2/queues/{queue}/claims?limit={limit}", {"ttl": 300, "grace": 60})
    return claimed["messages"] if claimed else []


def main():
    orders = [{"ttl": 300, "body": f"order {number}"} for number in (1, 2, 3)]
    request("POST", "/v2/queues/orders/messages", {"messages": orders})
    while messages := claim("orders", limit=2):
        for message in messages:
            print("done:", message["body"])
            # The href carries the claim's id: only its holder can delete the message.
            request("DELETE", message["href"])


if __name__ == "__main__":
    main()
