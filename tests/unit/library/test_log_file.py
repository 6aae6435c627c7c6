import json

from library.process import log_file
from library.process.log_file import LineLog
from tests.support.embedded_kafka import last_messages


def test_log_lines_are_reassembled_from_any_chunks(tmp_path):
    log = LineLog(tmp_path / "logs" / "api.log")
    text = "first\nzweite: größer\r\n\n{}\nno end".encode()
    for at in range(len(text)):
        log.feed(text[at : at + 1])
    log.close()
    assert (tmp_path / "logs" / "api.log").read_text().splitlines() == [
        "first",
        "zweite: größer",
        "{}",
        "no end",
    ]


def test_the_last_error_is_the_last_line_with_an_error(tmp_path):
    log = LineLog(tmp_path / "api.log")
    for level, message in (("ERROR", "the disk is full"), ("INFO", "stopping"), ("WARNING", "late")):
        log.feed(json.dumps({"level": level, "message": message}).encode() + b"\n")
    assert log.last_error == "the disk is full"
    log.feed(b"Traceback (most recent call last):\nKeyError: 'shelf'\n")
    assert log.last_error == "KeyError: 'shelf'"
    log.close()


def test_a_log_rotates_by_size_and_old_files_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(log_file, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(log_file, "ROTATED_FILES", 2)
    log = LineLog(tmp_path / "api.log")
    for number in range(500):
        log.feed(f"line {number:03}\n".encode())
    log.close()
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["api.log", "api.log.1", "api.log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert (tmp_path / "api.log").read_text().splitlines()[-1] == "line 499"


def test_a_log_line_without_end_uses_bounded_memory(tmp_path):
    log = LineLog(tmp_path / "api.log")
    for _ in range(100):
        log.feed(b"x" * 10_000)
    log.close()
    written = (tmp_path / "api.log").read_text().splitlines()
    assert sum(map(len, written)) == 1_000_000
    assert max(map(len, written)) == log_file.MAX_LINE_BYTES


def test_the_last_log_messages_are_shown_without_their_fields(tmp_path):
    log = tmp_path / "kafka.log"
    assert last_messages(log) == "it logged nothing"
    log.write_text('{"message": "one"}\n{"message": "two"}\n\nthree\n')
    assert last_messages(log, 2) == "two / three"
