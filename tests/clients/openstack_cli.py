"""`openstack messaging`, as published, with every verb. It cannot tell a project without Keystone:
`project_auth`, beside this, is the keystoneauth plugin that does.

Usage: openstack_cli.py http://HOST:PORT
"""

import contextlib
import io
import json
import os
import sys

# Plugins are found by what is installed, or lies on the path.
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "project_auth"))

from openstackclient import shell  # noqa: E402

# Commands that post and list messages take who one is from the environment.
os.environ["OS_MESSAGE_CLIENT_ID"] = "3381af92-2b9e-11e3-b191-71861300734c"


class Cli:
    """Runs one command after another, as a shell would, but in this process: starting Python for each
    takes longer than all of them."""

    def __init__(self, endpoint):
        self.who = ["--os-auth-type", "project", "--os-endpoint", endpoint, "--os-project-id", "p1"]

    def run(self, *words, shown=True):
        command = [*self.who, "messaging", *words, *(["-f", "json"] if shown else [])]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = shell.main(command)
            except SystemExit as end:  # a mistake in the words
                status = end.code
        return status, out.getvalue(), err.getvalue()

    def show(self, *words):
        """What a command shows."""
        status, out, err = self.run(*words)
        assert status == 0, f"{words}: {err}"
        return json.loads(out)

    def do(self, *words):
        """A command that shows nothing by itself."""
        status, out, err = self.run(*words, shown=False)
        assert status == 0, f"{words}: {err}"
        return out

    def fails(self, *words):
        status, _, err = self.run(*words, shown=False)
        assert status != 0, f"{words} worked"
        return err


def service(cli):
    assert cli.show("ping") == {"Pingable": True}
    assert "rel/queues" in cli.do("homedoc")
    assert "operation_status" in cli.do("health")


def queues(cli):
    assert cli.show("queue", "create", "orders") == {"Name": "orders"}
    cli.do("queue", "create", "other")
    assert cli.show("queue", "list") == [{"Name": "orders"}, {"Name": "other"}]
    assert cli.show("queue", "list", "--limit", "1", "--marker", "orders") == [{"Name": "other"}]
    cli.do("queue", "set", "metadata", "orders", '{"owner": "shop"}')
    assert cli.show("queue", "get", "metadata", "orders")["Metadata"]["owner"] == "shop"
    detailed = cli.show("queue", "list", "--detailed")
    assert detailed[0]["Metadata_Dict"]["owner"] == "shop", detailed
    assert cli.show("queue", "stats", "orders")["Stats"]["messages"]["total"] == 0
    cli.do("queue", "delete", "other")
    assert cli.show("queue", "list") == [{"Name": "orders"}]
    signed = cli.show("queue", "signed", "url", "orders", "--paths", "messages", "--methods", "GET,POST")
    assert signed["Paths"] == "/v2/queues/orders/messages" and len(signed["Signature"]) == 64, signed


def messages(cli):
    cli.do("message", "post", "orders", json.dumps([{"body": {"n": n}, "ttl": 300} for n in range(4)]))
    listed = cli.show("message", "list", "orders", "--echo")
    assert [message["Body"] for message in listed] == [{"n": n} for n in range(4)], listed
    ids = [message["ID"] for message in listed]
    some = cli.show("message", "list", "orders", "--message-ids", f"{ids[2]},{ids[0]}")
    assert [message["ID"] for message in some] == [ids[2], ids[0]], some
    return ids


def claims(cli, ids):
    claimed = cli.show("claim", "create", "orders", "--ttl", "300", "--grace", "60", "--limit", "2")
    assert [message["Message_ID"] for message in claimed] == ids[:2], claimed
    claim = claimed[0]["Claim_ID"]
    # Of the messages of a claim that is read this release shows no ids, whatever the server.
    assert [message["Message"] for message in cli.show("claim", "query", "orders", claim)] == [{"n": 0}, {"n": 1}]
    assert len(cli.show("claim", "renew", "orders", claim, "--ttl", "600", "--grace", "60")) == 2
    assert cli.show("queue", "stats", "orders")["Stats"]["messages"]["claimed"] == 2
    cli.do("claim", "release", "orders", claim)
    assert "does not exist" in cli.fails("claim", "query", "orders", claim)
    assert len(cli.show("claim", "create", "orders")) == 4
    cli.do("queue", "purge", "orders", "--resource_types", "messages")
    assert cli.show("queue", "stats", "orders")["Stats"]["messages"]["total"] == 0
    assert cli.show("claim", "create", "orders") == []


def subscriptions(cli):
    made = cli.show("subscription", "create", "orders", "http://a.example", "600", "--options", '{"n": 1}')
    assert (made["Subscriber"], made["TTL"], made["Options"]) == ("http://a.example", 600, {"n": 1}), made
    # Of what it has changed this release shows nothing, whatever the server.
    cli.show("subscription", "update", "orders", made["ID"], "--ttl", "300")
    shown = cli.show("subscription", "show", "orders", made["ID"])
    assert (shown["Subscriber"], shown["TTL"], shown["Confirmed"]) == ("http://a.example", 300, False), shown
    assert [one["ID"] for one in cli.show("subscription", "list", "orders")] == [made["ID"]]
    cli.do("subscription", "delete", "orders", made["ID"])
    assert cli.show("subscription", "list", "orders") == []
    assert "must be supported" in cli.fails("subscription", "create", "orders", "ftp://a.example", "600")


def pools(cli):
    made = cli.show("pool", "create", "cli-1", "memory:cli-1", "10", "--pool_options", '{"max_messages": 1000}')
    assert (made["Name"], made["Weight"], made["URI"], made["Flavor"]) == ("cli-1", 10, "memory:cli-1", None), made
    cli.show("pool", "update", "cli-1", "--pool_weight", "5")
    assert cli.show("pool", "show", "cli-1")["Weight"] == 5
    listed = cli.show("pool", "list", "--detailed")
    assert [(one["Name"], one["Options"]) for one in listed] == [("cli-1", {"max_messages": 1000})], listed
    assert "cannot connect to URI" in cli.fails("pool", "create", "cli-2", "nope:x", "1")
    cli.show("flavor", "create", "cli", "--pool_list", "cli-1")
    shown = cli.show("flavor", "show", "cli")
    assert "cli-1" in str(shown["Pool list"]) and "CLAIMS" in shown["Capabilities"], shown
    cli.show("flavor", "update", "cli", "--pool_list", "cli-1")
    assert [one["Name"] for one in cli.show("flavor", "list")] == ["cli"]
    assert "cannot be deleted" in cli.fails("pool", "delete", "cli-1")
    cli.do("flavor", "delete", "cli")
    cli.do("pool", "delete", "cli-1")
    assert cli.show("pool", "list") == [] and cli.show("flavor", "list") == []


def main():
    cli = Cli(sys.argv[1])
    service(cli)
    queues(cli)
    claims(cli, messages(cli))
    subscriptions(cli)
    pools(cli)


if __name__ == "__main__":
    main()
