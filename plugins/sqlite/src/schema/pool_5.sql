-- From version 4 of a pool's file to 5.

-- The states of the messages in blocks that are claimed from (pool/front.rs), in place of what the
-- table of blocks says.
CREATE TABLE front (
    key  INTEGER PRIMARY KEY, -- the block's
    data BLOB NOT NULL
);
