"""`PORT DATABASE`: works in all queues of a database in one transaction, which ends when its input does."""

import sys

import pymongo

client = pymongo.MongoClient("127.0.0.1", int(sys.argv[1]), directConnection=True)
pool = client[sys.argv[2]].pool
with client.start_session() as session, session.start_transaction():
    for header in list(pool.find({"h": {"$exists": True}})):
        where = {"_id": header["_id"], "q": header["q"]}
        pool.update_one(where, {"$inc": {"v": 1}}, session=session)
    print("held", flush=True)
    sys.stdin.read()
    session.abort_transaction()
