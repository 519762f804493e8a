-- The records. Names are bytes, so that they compare bytewise whatever the database's collation.
CREATE TABLE IF NOT EXISTS sukkal_record (
    kind varbinary(64) NOT NULL,
    project varbinary(1024) NOT NULL,
    name varbinary(1024) NOT NULL,
    revision bigint NOT NULL,
    -- Milliseconds since 1970, on the server's clock; null for never.
    expires bigint,
    value longblob NOT NULL,
    extensions longblob NOT NULL,
    PRIMARY KEY (kind, project, name),
    KEY sukkal_record_expires (expires),
    KEY sukkal_record_expires_within (kind, project, expires)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
-- How many records each kind and project has, expired ones that are not swept yet among them.
CREATE TABLE IF NOT EXISTS sukkal_tally (
    kind varbinary(64) NOT NULL,
    project varbinary(1024) NOT NULL,
    records bigint NOT NULL,
    PRIMARY KEY (kind, project)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
-- What is locked when records change; the last revision that was given under each.
CREATE TABLE IF NOT EXISTS sukkal_stripe (
    id bigint NOT NULL PRIMARY KEY,
    revision bigint NOT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO sukkal_stripe (id, revision)
    WITH RECURSIVE stripe (id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM stripe WHERE id < 511)
    SELECT id, 0 FROM stripe;
