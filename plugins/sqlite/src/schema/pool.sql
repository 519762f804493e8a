-- A pool's file, version 4; what later ones add lies beside this. docs/architecture.md says what a pool
-- promises; pool/mod.rs how it is kept.

-- What the service says of each queue. `id` is the queue's id with its top bit flipped, so that
-- SQLite's signed order is the order of the ids.
CREATE TABLE queue (
    id             INTEGER PRIMARY KEY,
    slot           INTEGER NOT NULL UNIQUE, -- a small number, reused: the high part of message ids
    epoch          INTEGER NOT NULL,
    dropping       INTEGER NOT NULL,
    label          BLOB NOT NULL,
    dead_queue     INTEGER,                 -- the dead letter rule; all null for none
    dead_epoch     INTEGER,
    dead_placement BLOB,
    dead_claims    INTEGER,
    dead_ttl       INTEGER,
    extensions     BLOB
);

-- What changes with nearly every request, side by side for all queues, so that a commit rewrites
-- few pages: the counts, and the states of the messages at the last places of the main lane.
CREATE TABLE tally (
    slot       INTEGER PRIMARY KEY,
    next_place INTEGER NOT NULL,
    total      INTEGER NOT NULL, -- messages of the main lane, unsettled ones included
    claimed    INTEGER NOT NULL, -- of these: in state 1
    exhausted  INTEGER NOT NULL, -- of these: in state 3
    generation INTEGER NOT NULL, -- claims of an older one are void: a purge ended them
    wakes      INTEGER NOT NULL, -- nothing in the queue falls due before; see pool/due.rs
    beside     INTEGER NOT NULL, -- messages of the other lanes, unsettled ones included
    open       BLOB NOT NULL     -- the open block (pool/open.rs)
);

-- The states of the messages at 64 neighbouring places of a lane (pool/block.rs), but for the last
-- ones of the main lane: a queue of a few messages, of which there may be many, has no place here.
-- key = slot (21 bits) | lane (2 bits) | place / 64 (34 bits)
CREATE TABLE block (
    key   INTEGER PRIMARY KEY,
    ready INTEGER NOT NULL, -- 1: holds available messages; 2: none, but exhausted ones; 0: neither
    wakes INTEGER NOT NULL, -- nothing in it falls due before
    avail INTEGER, -- of other lanes than the main one: from when on something is due
    data  BLOB NOT NULL
);
CREATE INDEX block_ready ON block (key) WHERE ready = 1;
CREATE INDEX block_exhausted ON block (key) WHERE ready = 2;
CREATE INDEX block_wakes ON block (key >> 34, wakes);
CREATE INDEX block_avail ON block ((key >> 34) & 3, avail) WHERE avail IS NOT NULL;

-- What never changes of messages that one commit brought, in the order in which they came,
-- whatever their queues (pool/run.rs). The blocks say where each message's lies.
CREATE TABLE body (
    run   INTEGER PRIMARY KEY,
    heads BLOB NOT NULL, -- of each: when it was posted, how long its parts of `data` are
    data  BLOB NOT NULL  -- of each: extensions and origin, body
);

-- Which messages of a run are gone, a bit each, while others are left (pool/garbage.rs). Most
-- of them are in memory too.
CREATE TABLE gone (
    run     INTEGER PRIMARY KEY,
    count   INTEGER NOT NULL, -- how many messages it had
    bits    INTEGER NOT NULL,
    cleaned INTEGER NOT NULL  -- of these: whose bodies are no longer in the run
);

-- Claims. Which of their places they still hold, the blocks say.
CREATE TABLE claim (
    id         BLOB PRIMARY KEY,
    queue      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    renewed    INTEGER NOT NULL,
    ttl        INTEGER NOT NULL,
    ends       INTEGER NOT NULL,
    places     BLOB NOT NULL, -- pool/claim_row.rs
    extensions BLOB
) WITHOUT ROWID;
CREATE INDEX claim_ends ON claim (ends);

-- Keys that make posts safe to repeat.
CREATE TABLE post_key (
    queue       INTEGER NOT NULL,
    scope       BLOB NOT NULL,
    key         BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    expires     INTEGER NOT NULL,
    first_place INTEGER NOT NULL,
    places      INTEGER NOT NULL,
    PRIMARY KEY (queue, scope, key)
) WITHOUT ROWID;
CREATE INDEX post_key_expires ON post_key (expires);

-- Who works a lane.
CREATE TABLE lease (
    queue  INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    holder TEXT NOT NULL, -- empty: given up
    fence  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (queue, lane)
) WITHOUT ROWID;

-- Slots of dropped queues, to be used again.
CREATE TABLE free_slot (slot INTEGER PRIMARY KEY);

-- Written to see whether the file can be.
CREATE TABLE probe (
    one     INTEGER PRIMARY KEY CHECK (one = 0),
    written INTEGER NOT NULL
);
INSERT INTO probe VALUES (0, 0);
