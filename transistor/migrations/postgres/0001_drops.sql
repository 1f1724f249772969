-- Bodies come first: a drop refers to one, several drops may share it. `key` is null for bytes kept right here, `bytes`
-- for those kept outside.
CREATE TABLE bodies (
    id BYTEA PRIMARY KEY,
    refs BIGINT NOT NULL,
    size BIGINT NOT NULL,
    key BYTEA,
    bytes BYTEA
);
CREATE INDEX bodies_by_size ON bodies (size);

CREATE TABLE segments (
    body BYTEA NOT NULL,
    start BIGINT NOT NULL,
    len BIGINT NOT NULL,
    name BYTEA NOT NULL,
    PRIMARY KEY (body, start)
);

-- `stage`: 0 uploading, 1 ready, 2 claimed. `whole` and `segments` are for the first, `holder` for the last, `until` for
-- both. `given` has a bit for each slice. Times are milliseconds since 1970.
CREATE TABLE drops (
    id BYTEA PRIMARY KEY,
    body BYTEA NOT NULL,
    size BIGINT NOT NULL,
    inline BIGINT NOT NULL,
    text BIGINT NOT NULL,
    info BYTEA NOT NULL,
    access BYTEA,
    unlock BYTEA,
    wrong BIGINT NOT NULL,
    deleter BYTEA NOT NULL,
    upload BYTEA,
    expires BIGINT NOT NULL,
    given BIGINT NOT NULL,
    stage BIGINT NOT NULL,
    whole BIGINT,
    segments BIGINT NOT NULL,
    holder BYTEA,
    until BIGINT NOT NULL,
    due BIGINT NOT NULL
);
CREATE INDEX drops_by_due ON drops (due);
CREATE UNIQUE INDEX drops_by_upload ON drops (upload) WHERE upload IS NOT NULL;

-- Bodies outside the database that no drop refers to any more.
CREATE TABLE to_erase (body BYTEA PRIMARY KEY);

-- By what the database knows whether it was brought back from a copy.
CREATE TABLE life (id BIGINT PRIMARY KEY, mark BYTEA NOT NULL);

-- What was erased stays in the files until vacuumed, so that happens after few changes.
ALTER TABLE bodies SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 50);
ALTER TABLE drops SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 50);
