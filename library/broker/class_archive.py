"""An archive of Kafka's loaded classes (Java's class data sharing): it halves the time of later starts."""

import hashlib
from pathlib import Path

from library.broker.jars import LOCK

# Java writes the first bytes of the file last
_UNFINISHED = b"\0\0\0\0"
_QUIET = ["-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


def with_classes(java: str, cache: Path) -> list[str]:
    """Java's options to use the archive if there is one.

    Java checks that the archive belongs to this Java and these jars, and ignores it otherwise.
    """
    archive = _archive(java, cache)
    return [f"-XX:SharedArchiveFile={archive}", *_QUIET] if _is_complete(archive) else []


def keep_classes(java: str, cache: Path) -> list[str]:
    """Java's options to write the archive when the program ends, if there is none."""
    archive = _archive(java, cache)
    return [] if _is_complete(archive) else [f"-XX:ArchiveClassesAtExit={archive}", *_QUIET]


def _archive(java: str, cache: Path) -> Path:
    runtime = Path(java).resolve()
    origin = f"{runtime} {runtime.stat().st_mtime_ns} {LOCK.read_text('utf-8')}"
    return cache / f"classes-{hashlib.sha256(origin.encode()).hexdigest()[:16]}.jsa"


def _is_complete(archive: Path) -> bool:
    try:
        with archive.open("rb") as file:
            return file.read(len(_UNFINISHED)) not in (b"", _UNFINISHED)
    except FileNotFoundError:
        return False
