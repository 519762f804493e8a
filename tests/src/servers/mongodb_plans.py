"""`PORT DATABASE`: says of each command that a database was sent since its profile was switched on, by the server's own
explanation, whether it reads a collection from end to end: `SCAN` or `ok`, its name, and the command.

The server that tests run on does not tell of the index over `_id`, which every collection has: what names its documents
by it reads no others."""

import sys

from bson import json_util
from pymongo import MongoClient

EXPLAINED = ["find", "aggregate", "update", "delete", "findAndModify", "count", "distinct"]
# What belongs to the session or is not explained.
APART = ["lsid", "txnNumber", "autocommit", "startTransaction", "readConcern", "writeConcern", "$db", "$clusterTime"]


def single(command):
    """The command, or one for each change of it."""
    name = next(iter(command))
    for part in ("updates", "deletes"):
        if part in command:
            return [{**command, part: [change]} for change in command[part]]
    return [command] if name in EXPLAINED else []


def asks_for(command):
    """What the documents must be like that it reads."""
    if "pipeline" in command:
        return command["pipeline"][0].get("$match", {})
    changes = command.get("updates") or command.get("deletes")
    return changes[0]["q"] if changes else command.get("filter") or command.get("query") or {}


def by_name(command):
    """Whether it names its documents."""
    named = asks_for(command).get("_id")
    return isinstance(named, str) or isinstance(named, dict) and list(named) == ["$in"]


database = MongoClient("127.0.0.1", int(sys.argv[1]), directConnection=True)[sys.argv[2]]
commands = [entry["command"] for entry in database["system.profile"].find({"ok": 1.0})]
for command in (one for command in commands for one in single(command)):
    command = {key: value for key, value in command.items() if key not in APART}
    if any("$changeStream" in stage for stage in command.get("pipeline", [])):
        continue
    plan = database.command("explain", command, verbosity="queryPlanner")
    scans = "COLLSCAN" in json_util.dumps(plan) and not by_name(command)
    print("SCAN" if scans else "ok", next(iter(command)), json_util.dumps(command))
