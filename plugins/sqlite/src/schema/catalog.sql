-- A catalog's file, version 1. Names are blobs: compared bytewise, and free to hold U+0000.
CREATE TABLE record (
    kind       BLOB NOT NULL,
    project    BLOB NOT NULL,
    name       BLOB NOT NULL,
    revision   INTEGER NOT NULL,
    expires    INTEGER,
    value      BLOB NOT NULL,
    extensions BLOB,
    PRIMARY KEY (kind, project, name)
) WITHOUT ROWID;
CREATE INDEX record_expires ON record (expires) WHERE expires IS NOT NULL;
CREATE INDEX record_expires_within ON record (kind, project, expires) WHERE expires IS NOT NULL;

-- How many records of a kind and project there are, expired ones that are not swept included.
CREATE TABLE tally (
    kind    BLOB NOT NULL,
    project BLOB NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (kind, project)
) WITHOUT ROWID;

-- The last revision given out, in the whole file: so none is ever given twice.
CREATE TABLE counter (
    one      INTEGER PRIMARY KEY CHECK (one = 0),
    revision INTEGER NOT NULL
);
INSERT INTO counter VALUES (0, 0);
