"""Kafka's jars, named and hashed in ``jars.lock``: each is downloaded once and verified at every start.

The lock was made with Maven, which resolves the versions; jgo only downloads.
"""

import logging
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

log = logging.getLogger(__name__)

LOCK = Path(__file__).with_name("jars.lock")
CACHE = "LIBRARY_JARS"
REPOSITORY = "LIBRARY_MAVEN_REPOSITORY"


class NoJars(Exception):
    """A jar is missing or differs from the lock. The message names it and the next step."""


class Jar(Struct, frozen=True):
    """One line of the lock: coordinate, digest and size."""

    group: str
    artifact: str
    version: str
    digest: str
    """sha256, in hexadecimal."""
    size: int
    """Bytes."""

    @property
    def path(self) -> Path:
        """Its path below the root of a Maven repository."""
        name = f"{self.artifact}-{self.version}.jar"
        return Path(*self.group.split("."), self.artifact, self.version, name)


def locked(lock: Path = LOCK) -> list[Jar]:
    """Parse the lock."""
    jars = []
    for line in lock.read_text("utf-8").splitlines():
        coordinate, digest, size = line.split()
        group, artifact, version = coordinate.split(":")
        jars.append(Jar(group, artifact, version, digest.removeprefix("sha256:"), int(size)))
    return jars


def kafka_version(lock: Path = LOCK) -> str:
    """The version of Kafka in the lock."""
    return next(jar.version for jar in locked(lock) if jar.artifact == "kafka-clients")


def cache(environment: Mapping[str, str]) -> Path:
    """The folder of the jars, shared by all checkouts of a user."""
    if chosen := environment.get(CACHE):
        return Path(chosen)
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "library-inventory" / "jars"


def missing(root: Path, lock: Path = LOCK) -> list[Jar]:
    """The jars that the next start has to download."""
    return [jar for jar in locked(lock) if not _is_cached(root / jar.path, jar)]


def ready(environment: Mapping[str, str], lock: Path = LOCK) -> list[Path]:
    """Download the missing jars and compare the content of each one with the lock. Returns their paths.

    Raises NoJars: a jar can't be downloaded, or differs from the lock.
    """
    root = cache(environment)
    if absent := missing(root, lock):
        size = sum(jar.size for jar in absent) / 1e6
        log.info("fetching Kafka, %d files (%.0f MB), once", len(absent), size)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda jar: _verified(root, jar, environment), locked(lock)))


def _is_cached(path: Path, jar: Jar) -> bool:
    return path.is_file() and path.stat().st_size == jar.size


def _verified(root: Path, jar: Jar, environment: Mapping[str, str]) -> Path:
    path = root / jar.path
    if not _is_cached(path, jar):
        _fetch(root, jar, environment)
    if (digest := sha256(path.read_bytes()).hexdigest()) != jar.digest:
        path.unlink()
        raise NoJars(
            f"{path.name} is not the file that {LOCK.name} names (sha256 {digest}, expected {jar.digest}); "
            f"it was deleted from {path.parent}: run again to fetch it again, and if it differs again, the "
            "repository or a proxy hands out another file: don't use it"
        )
    return path


def _fetch(root: Path, jar: Jar, environment: Mapping[str, str]) -> None:
    try:
        import requests
        from jgo.maven import MavenContext
    except ImportError as error:
        raise NoJars(
            f"Kafka's jars are not in {root}, and the package that fetches them is missing ({error}): "
            "`pip install 'library-inventory[embedded]'`, or name a broker that runs elsewhere with "
            "--kafka HOST:PORT"
        ) from error

    remote = {"central": chosen} if (chosen := environment.get(REPOSITORY)) else None
    root.mkdir(parents=True, exist_ok=True)
    # Download aside, then move: nobody ever reads a torn file, whatever other processes do
    with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as aside:
        context = MavenContext(repo_cache=Path(aside), local_repos=[], remote_repos=remote, timeout=60)
        try:
            component = context.project(jar.group, jar.artifact).at_version(jar.version)
            downloaded: Path = component.artifact().resolve()
        except (requests.RequestException, RuntimeError, OSError) as error:
            raise NoJars(
                f"{jar.path.name} of Kafka is not in {root} and can't be fetched: {_root_cause(error)}. The "
                "jars are fetched once from Maven Central: connect to the network and run again, or copy "
                f"that folder from a machine that has it, or name a mirror in {REPOSITORY}, or a broker that "
                "runs elsewhere with --kafka HOST:PORT"
            ) from error
        target = root / jar.path
        target.parent.mkdir(parents=True, exist_ok=True)
        downloaded.replace(target)


def _root_cause(error: BaseException) -> str:
    """The innermost cause of an HTTP library's error, in at most 200 characters."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text if len(text) <= 200 else text[:200] + "…"
