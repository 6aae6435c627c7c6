"""Kafka's classes as Java has loaded them once, kept so that the next starts take half the time."""

import hashlib
from pathlib import Path

from library.broker.jars import LOCK

# Java writes the file's first bytes last
_UNFINISHED = b"\0\0\0\0"
_QUIET = ["-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


def with_classes(java: str, cache: Path) -> list[str]:
    """Options for Java to use the archive, if there is one.

    Java looks for itself whether it is of this Java and these jars, and does without if not.
    """
    archive = _archive(java, cache)
    return [f"-XX:SharedArchiveFile={archive}", *_QUIET] if _whole(archive) else []


def keep_classes(java: str, cache: Path) -> list[str]:
    """Options for Java to make the archive when the program ends, if there is none."""
    archive = _archive(java, cache)
    return [] if _whole(archive) else [f"-XX:ArchiveClassesAtExit={archive}", *_QUIET]


def _archive(java: str, cache: Path) -> Path:
    runtime = Path(java).resolve()
    made_by = f"{runtime} {runtime.stat().st_mtime_ns} {LOCK.read_text('utf-8')}"
    return cache / f"classes-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.jsa"


def _whole(archive: Path) -> bool:
    try:
        with archive.open("rb") as file:
            return file.read(len(_UNFINISHED)) not in (b"", _UNFINISHED)
    except FileNotFoundError:
        return False
