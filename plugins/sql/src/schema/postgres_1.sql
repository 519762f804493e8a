-- The records. Names are bytes, so that they compare bytewise whatever the database's collation.
CREATE TABLE sukkal_record (
    kind bytea NOT NULL,
    project bytea NOT NULL,
    name bytea NOT NULL,
    revision bigint NOT NULL,
    -- Milliseconds since 1970, on the server's clock; null for never.
    expires bigint,
    value bytea NOT NULL,
    extensions bytea NOT NULL,
    PRIMARY KEY (kind, project, name)
);
-- Values are changed whole and often hold JSON already packed tight: compressing them is for nothing.
ALTER TABLE sukkal_record ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX sukkal_record_expires ON sukkal_record (expires) WHERE expires IS NOT NULL;
CREATE INDEX sukkal_record_expires_within ON sukkal_record (kind, project, expires) WHERE expires IS NOT NULL;
-- How many records each kind and project has, expired ones that are not swept yet among them.
CREATE TABLE sukkal_tally (
    kind bytea NOT NULL,
    project bytea NOT NULL,
    records bigint NOT NULL,
    PRIMARY KEY (kind, project)
);
-- What is locked when records change; the last revision that was given under each.
CREATE TABLE sukkal_stripe (
    id bigint PRIMARY KEY,
    revision bigint NOT NULL
);
INSERT INTO sukkal_stripe (id, revision) SELECT id, 0 FROM generate_series(0, 511) AS id;
