"""The replica's tables (SQLite)."""

from hashlib import sha256
from importlib.metadata import version

from inventory.domain import GOLDEN
from inventory.row_fold import fold
from query_api.documents import json_of, title_document

RELEASE = version("library-inventory")


def documents_fingerprint() -> str:
    """Changes with the titles' documents and with the rows that the golden events fold to."""
    digest, row = sha256(), None
    for number, event in enumerate(GOLDEN, 1):
        row = fold(row, number, event)
        digest.update(json_of(row) + json_of(title_document(row)))
    return digest.hexdigest()[:16]


FORMAT = f"6/{RELEASE}/{documents_fingerprint()}"
"""A replica with another format is read again: its tables, its documents or its fold may differ."""

SHIFT = 1 << 40
"""An event's rowid is its place in the event store: ``partition * SHIFT + offset``."""
LARGEST_INTEGER = (1 << 63) - 1
"""SQLite's largest integer."""

TABLES = """
-- seal: see seals.py
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- next offset of each topic by partition, and the table's position as its records say
CREATE TABLE progress (
    partition INTEGER PRIMARY KEY, rows INT NOT NULL, history INT NOT NULL, "table" INT NOT NULL,
    settled INT NOT NULL, seal INT NOT NULL
);

-- body: the title's JSON document; keys: see search_text.search_key
CREATE TABLE titles (
    isbn INTEGER PRIMARY KEY, version INT NOT NULL, removed INT NOT NULL, quantity INT NOT NULL,
    available INT NOT NULL, updated_at INT NOT NULL, held INT NOT NULL, title_key TEXT NOT NULL,
    author_key TEXT NOT NULL, body BLOB NOT NULL, seal INT NOT NULL
);
CREATE INDEX titles_held ON titles (isbn) WHERE held = 1;
-- indexes search keys: search_text alone decides where a word begins and ends
CREATE VIRTUAL TABLE search USING fts5(
    title, author, content = '', prefix = '1 2 3', tokenize = "ascii"
);
-- the indexed words of more characters than the prefixes; also those that no title has any more
CREATE TABLE words (word TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE loans (
    isbn INT NOT NULL, user_id TEXT NOT NULL, borrowed_at INT NOT NULL, due_at INT NOT NULL,
    seal INT NOT NULL, PRIMARY KEY (isbn, user_id)
) WITHOUT ROWID;

-- place: see SHIFT; digest: see events.packed_digest; value: the record's; problem: why it can't be decoded
CREATE TABLE events (
    place INTEGER PRIMARY KEY, isbn INT NOT NULL, version INT NOT NULL, at INT NOT NULL, type TEXT NOT NULL,
    command_id TEXT NOT NULL, digest BLOB NOT NULL, actor TEXT NOT NULL, value BLOB, problem TEXT,
    seal INT NOT NULL
);
-- every title that was ever added, and when it first was
CREATE TABLE known (isbn INTEGER PRIMARY KEY, first_at INT NOT NULL, seal INT NOT NULL);
-- rows to start a fold at: see past.CHECKPOINT_INTERVAL_VERSIONS
CREATE TABLE checkpoints (
    isbn INT NOT NULL, version INT NOT NULL, row BLOB NOT NULL, seal INT NOT NULL,
    PRIMARY KEY (isbn, version)
) WITHOUT ROWID;

-- records that name no title
CREATE TABLE unreadable (
    stream TEXT NOT NULL, place INT NOT NULL, reason TEXT NOT NULL, seal INT NOT NULL,
    PRIMARY KEY (stream, place)
) WITHOUT ROWID;

CREATE TABLE totals (
    titles INT NOT NULL, removed INT NOT NULL, copies INT NOT NULL, available INT NOT NULL,
    events INT NOT NULL
);
INSERT INTO totals VALUES (0, 0, 0, 0, 0);
"""

INDEXES = """
CREATE UNIQUE INDEX events_of_title ON events (isbn, version);
CREATE INDEX titles_by_title ON titles (substr(title_key, 1, 80), isbn) WHERE removed = 0;
CREATE INDEX titles_by_author ON titles (substr(author_key, 1, 80), isbn) WHERE removed = 0;
CREATE INDEX titles_by_change ON titles (updated_at, isbn) WHERE removed = 0;
CREATE INDEX loans_by_due ON loans (due_at, isbn, user_id);
CREATE INDEX loans_by_user ON loans (user_id, due_at, isbn);
CREATE INDEX events_by_time ON events (isbn, at, version)
"""
"""Created once everything was read, see ``first_read.finish``. Updating them during the first read would take
longer than the rest of it: each event and row would be written at several distant pages."""
