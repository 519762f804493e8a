#!/usr/bin/env bash
# Posts three orders and works them off: claim, do, delete. Needs curl and python3 (to read JSON).
set -euo pipefail

SUKKAL=${SUKKAL:-http://127.0.0.1:8888}
QUEUE=$SUKKAL/v2/queues/orders

# Every request names its project, and its client: a UUID, the same as long as the client lives. One that the server
# refuses, or does not answer within a minute, ends the script with what curl says of it.
request() {
    curl --silent --show-error --fail --max-time 60 \
        --header "Client-ID: 3381af92-2b9e-11e3-b191-71861300734c" \
        --header "X-Project-ID: demo" \
        --header "Content-Type: application/json" "$@"
}

request --request POST "$QUEUE/messages" --output /dev/null --data '{"messages": [
    {"ttl": 300, "body": "order 1"},
    {"ttl": 300, "body": "order 2"},
    {"ttl": 300, "body": "order 3"}
]}'

while true; do
    # A claim hides its messages from everybody else for five minutes.
    claimed=$(request --request POST "$QUEUE/claims?limit=2" --data '{"ttl": 300, "grace": 60}')
    # Success without content: nothing to do.
    [ -n "$claimed" ] || break
    python3 -c 'import json, sys
for message in json.load(sys.stdin)["messages"]: print(message["href"], message["body"])' <<<"$claimed" |
        while read -r href body; do
            echo "done: $body"
            # The href carries the claim's id: only its holder can delete the message.
            request --request DELETE "$SUKKAL$href"
        done
done
