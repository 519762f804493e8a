-- Whatever requests do to a table is done to it, and to no row: so it is seen whether each table is there, and
-- whether the user may. No kind is empty; a server that wants a key named in whatever deletes finds one.
DELETE FROM sukkal_record WHERE kind = '' AND 1 = 0;
INSERT INTO sukkal_record (kind, project, name, revision, expires, value, extensions)
    SELECT kind, project, name, revision, expires, value, extensions FROM sukkal_record WHERE kind = '' AND 1 = 0;
DELETE FROM sukkal_tally WHERE kind = '' AND 1 = 0;
UPDATE sukkal_tally SET records = records WHERE kind = '' AND 1 = 0;
INSERT INTO sukkal_tally (kind, project, records)
    SELECT kind, project, records FROM sukkal_tally WHERE kind = '' AND 1 = 0;
-- Whether the database can be written is seen only by doing so: a row is written anew as it is.
UPDATE sukkal_stripe SET revision = revision WHERE id = 0;
