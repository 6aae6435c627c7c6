"""The replica's tables (SQLite)."""

from importlib.metadata import version

RELEASE = version("library-inventory")
FORMAT = f"2/{RELEASE}"
"""A replica of another release is read again: its fold or its tables may have been other ones."""

SHIFT = 1 << 40
"""A place in the event store as one number, ``partition * SHIFT + offset``, so that it can be a rowid."""

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- how far each partition was read, and what its position records say
CREATE TABLE progress (
    partition INTEGER PRIMARY KEY, rows INT NOT NULL, history INT NOT NULL, "table" INT NOT NULL,
    settled INT NOT NULL
);

-- body: the title as it is answered; keys: folded, as they are sorted and searched
CREATE TABLE titles (
    isbn INTEGER PRIMARY KEY, version INT NOT NULL, removed INT NOT NULL, quantity INT NOT NULL,
    available INT NOT NULL, updated_at INT NOT NULL, held INT NOT NULL, title_key TEXT NOT NULL,
    author_key TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX titles_held ON titles (isbn) WHERE held = 1;
-- given words with spaces between them: what a word is, is decided in `texts` alone
CREATE VIRTUAL TABLE search USING fts5(
    title, author, content = '', prefix = '1 2 3', tokenize = "ascii"
);

CREATE TABLE loans (
    isbn INT NOT NULL, user_id TEXT NOT NULL, borrowed_at INT NOT NULL, due_at INT NOT NULL,
    PRIMARY KEY (isbn, user_id)
) WITHOUT ROWID;

-- place: see SHIFT; value: as it stands in the event store; problem: why it can't be read
CREATE TABLE events (
    place INTEGER PRIMARY KEY, isbn INT NOT NULL, version INT NOT NULL, at INT NOT NULL, type TEXT NOT NULL,
    command_id TEXT NOT NULL, value BLOB, problem TEXT
);
CREATE UNIQUE INDEX events_of_title ON events (isbn, version);
-- every title that ever was, and when it first was
CREATE TABLE known (isbn INTEGER PRIMARY KEY, first_at INT NOT NULL);
-- the folded row at every so many versions, so that the past is a short fold away
CREATE TABLE checkpoints (
    isbn INT NOT NULL, version INT NOT NULL, row BLOB NOT NULL, PRIMARY KEY (isbn, version)
) WITHOUT ROWID;

-- records that say nothing about any title
CREATE TABLE unreadable (
    stream TEXT NOT NULL, place INT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (stream, place)
) WITHOUT ROWID;

CREATE TABLE totals (
    titles INT NOT NULL, removed INT NOT NULL, copies INT NOT NULL, available INT NOT NULL,
    events INT NOT NULL
);
INSERT INTO totals VALUES (0, 0, 0, 0, 0);
"""

INDEXES = """
CREATE INDEX titles_by_title ON titles (substr(title_key, 1, 80), isbn) WHERE removed = 0;
CREATE INDEX titles_by_author ON titles (substr(author_key, 1, 80), isbn) WHERE removed = 0;
CREATE INDEX titles_by_change ON titles (updated_at, isbn) WHERE removed = 0;
CREATE INDEX loans_by_due ON loans (due_at, isbn, user_id);
CREATE INDEX loans_by_user ON loans (user_id, due_at, isbn);
CREATE INDEX events_by_time ON events (isbn, at, version)
"""
"""What only answers need. Made once everything was read: kept up meanwhile, they would cost more than what
they are of, since each event and row would be written at several places far apart."""
