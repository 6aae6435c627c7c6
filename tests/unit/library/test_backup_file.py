import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.store.backup_file import Digest, Header, NotWhole, Record, check, read, write

HEADER = Header(
    name="library", cluster="c", topic_id="t", written_at=datetime(2026, 5, 1, tzinfo=UTC), ends=[3, 0]
)
RECORDS = [
    Record(0, 0, 1, b"9781593275846/1", b"\x00\x01\xff", [("ce_id", b"a/0"), ("none", None)]),
    Record(0, 2, 5, b"9781593275846/2", b"", []),
    Record(1, 0, 9, None, None, []),
]

records = st.builds(
    Record,
    st.integers(0, 99),
    st.integers(0, 2**62),
    st.integers(-1, 2**62),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3),
)


@given(st.lists(records, max_size=5))
def test_a_backup_file_reads_back_as_written(tmp_path_factory, stored):
    path = tmp_path_factory.mktemp("backup") / "backup"
    written = write(path, HEADER, stored)
    header, reread = read(path)
    assert header == HEADER
    assert list(reread) == stored
    assert check(path)[1].text() == written.text()


def test_a_backups_digest_ignores_offsets():
    def digest(stored):
        total = Digest()
        for record in stored:
            total.add(record)
        return total.text()

    moved = [Record(7, 7, r.timestamp, r.key, r.value, r.headers) for r in reversed(RECORDS)]
    assert digest(RECORDS) == digest(moved)
    assert digest(RECORDS) != digest(RECORDS[:2])
    assert digest(RECORDS) != digest([*RECORDS, RECORDS[0]])
    shifted = Record(0, 0, 1, b"9781593275846/1\x00", b"\x01\xff", RECORDS[0].headers)
    assert digest([RECORDS[0]]) != digest([shifted])


def test_a_backup_truncated_anywhere_is_refused(tmp_path):
    path = tmp_path / "backup"
    write(path, HEADER, RECORDS)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(NotWhole):
            check(path)


def test_a_backup_changed_anywhere_is_refused(tmp_path):
    path = tmp_path / "backup"
    written = write(path, HEADER, RECORDS)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x41
        path.write_bytes(changed)
        try:
            header, digest = check(path)
        except NotWhole:
            continue
        # Some bits of gzip mean nothing
        assert (header, digest.text()) == (HEADER, written.text())


def test_a_backup_with_missing_lines_is_refused_even_if_recompressed(tmp_path):
    path = tmp_path / "backup"

    written = write(path, HEADER, RECORDS)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join([lines[0], *lines[2:]])))
    with pytest.raises(NotWhole, match="announces 3 records"):
        check(path)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    with pytest.raises(NotWhole, match="truncated"):
        check(path)
    path.write_bytes(gzip.compress(b"".join([*lines, lines[1]])))
    with pytest.raises(NotWhole, match="after its last line"):
        check(path)
    path.write_bytes(gzip.compress(b"".join(lines)))
    assert check(path)[1].text() == written.text()


@pytest.mark.parametrize("content", [b"", b"isbn,title\n", b"{}\n"])
def test_a_file_that_is_not_a_backup_is_named(tmp_path, content):
    path = tmp_path / "backup"
    path.write_bytes(content)
    with pytest.raises(NotWhole, match=r"not a backup|start with"):
        check(path)


def test_a_backup_of_a_later_format_says_to_upgrade(tmp_path):
    path = tmp_path / "backup"
    later = Header(name="x", cluster="", topic_id="", written_at=HEADER.written_at, ends=[], format=2)
    write(path, later, [])
    with pytest.raises(NotWhole, match="upgrade"):
        check(path)
