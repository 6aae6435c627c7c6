"""Writes the records of one run's clients to one file, for other checkers; docs/verdict.md has the format.

Times are microseconds since the first call: calls are rounded down and answers up, which can only make
operations overlap that did not.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.checker import Logged
from tests.chaos.history import Call, Read, Recorded, Return

FORMAT = 1
ROW = ("version", "title", "author", "quantity", "on_loan")
"""Members of a title's row that a history has."""


def write_history(
    file: Path,
    header: Mapping[str, Any],
    recorded: Recorded,
    log: Sequence[Logged],
    log_read: tuple[int, int],
) -> None:
    """Write a history; ``log_read`` are the times (ns) at which reading the log began and ended."""
    names = _short_names(recorded.calls.values())
    lines = [line for call in recorded.calls.values() for line in _attempts(call, names[call.command_id])]
    lines += [_read(one, number) for number, one in enumerate(recorded.reads, 1)]
    begun = min([line["call"] for line in lines], default=log_read[0])
    lines += _log(log, {call.command["isbn"] for call in recorded.calls.values()}, names, log_read)
    lines.sort(key=lambda line: line["call"])
    with gzip.GzipFile(file, "wb", mtime=0) as out:
        for line in ({"history": FORMAT, **header}, *(_in_microseconds(line, begun) for line in lines)):
            out.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def _short_names(calls: Iterable[Call]) -> dict[str, str]:
    """Short command ids, which compress well: the client and a number."""
    counts: dict[str, int] = defaultdict(int)
    names = {}
    for call in sorted(calls, key=lambda call: call.first_called):
        counts[call.client] += 1
        names[call.command_id] = f"{call.client}.{counts[call.client]}"
    return names


def _attempts(call: Call, name: str) -> Iterator[dict[str, Any]]:
    command = {field: value for field, value in call.command.items() if value is not None}
    common = {"id": name, "command": command}
    answered = {one.called for one in call.returns if one.what != "unknown"}
    for called in call.called:
        if called not in answered:
            yield {"call": called, **common, "answer": {"what": "unknown"}}
    for one in call.returns:
        if one.what != "unknown":
            yield {"call": one.called, "end": one.returned, **common, "answer": _answer(one)}


def _answer(one: Return) -> dict[str, Any]:
    match one:
        case Return(what="accepted", receipt={"events": []}):
            return {"what": "unchanged"}
        case Return(what="accepted", receipt={"events": [[kind, version]], "position": position}):
            return {"what": "accepted", "event": kind, "version": version, "position": position}
        case Return(what="accepted"):
            return {"what": "several events"}
        case Return(what="refused"):
            return {"what": "refused", "code": one.code}
    return {"what": one.what}


def _read(one: Read, number: int) -> dict[str, Any]:
    answer = {"status": one.status, "position": one.position}
    answer |= {name: one.row[name] for name in ROW if name in one.row and one.status in (200, 410)}
    times = {"call": one.called, "end": one.returned}
    return times | {
        "id": f"{one.client}.r{number}",
        "read": one.isbn,
        "api": one.api,
        "after": one.after,
        "answer": answer,
    }


def _log(
    log: Sequence[Logged], titles: Iterable[str], names: Mapping[str, str], times: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    events: dict[str, list[list[Any]]] = {isbn: [] for isbn in sorted(titles)}
    for one in log:
        if one.isbn in events:
            version = int(one.key.partition("/")[2])
            name = names.get(one.command_id, one.command_id)
            events[one.isbn].append([version, one.type, name, f"{one.partition}:{one.offset}"])
    for isbn, those in events.items():
        yield {"call": times[0], "end": times[1], "log": isbn, "events": those}


def _in_microseconds(line: dict[str, Any], begun: int) -> dict[str, Any]:
    """Times since ``begun``, widened to whole microseconds."""
    times = {"call": (line["call"] - begun) // 1000}
    if "end" in line:
        times["end"] = -((begun - line["end"]) // 1000)
    return line | times
