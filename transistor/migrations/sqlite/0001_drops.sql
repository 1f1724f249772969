-- Bodies come first: a drop refers to one, several drops may share it. `key` is null for bytes kept right here, `bytes`
-- for those kept outside.
CREATE TABLE bodies (
    id BLOB PRIMARY KEY,
    refs INTEGER NOT NULL,
    size INTEGER NOT NULL,
    key BLOB,
    bytes BLOB
);
CREATE INDEX bodies_by_size ON bodies (size);

CREATE TABLE segments (
    body BLOB NOT NULL,
    start INTEGER NOT NULL,
    len INTEGER NOT NULL,
    name BLOB NOT NULL,
    PRIMARY KEY (body, start)
) WITHOUT ROWID;

-- `stage`: 0 uploading, 1 ready, 2 claimed. `whole` and `segments` are for the first, `holder` for the last, `until` for
-- both. `given` has a bit for each slice. Times are milliseconds since 1970.
CREATE TABLE drops (
    id BLOB PRIMARY KEY,
    body BLOB NOT NULL,
    size INTEGER NOT NULL,
    inline INTEGER NOT NULL,
    text INTEGER NOT NULL,
    info BLOB NOT NULL,
    access BLOB,
    unlock BLOB,
    wrong INTEGER NOT NULL,
    deleter BLOB NOT NULL,
    upload BLOB,
    expires INTEGER NOT NULL,
    given INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    whole INTEGER,
    segments INTEGER NOT NULL,
    holder BLOB,
    until INTEGER NOT NULL,
    due INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX drops_by_due ON drops (due);
CREATE UNIQUE INDEX drops_by_upload ON drops (upload) WHERE upload IS NOT NULL;

-- Bodies outside the database that no drop refers to any more.
CREATE TABLE to_erase (body BLOB PRIMARY KEY) WITHOUT ROWID;

-- By what the database knows whether it was brought back from a copy.
CREATE TABLE life (id INTEGER PRIMARY KEY, mark BLOB NOT NULL);
