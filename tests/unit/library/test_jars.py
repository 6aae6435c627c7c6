import hashlib

import pytest

from library.broker import jars
from library.process.ports import free_port
from tests.support import http_server

GOOD = b"what the lock names"
PATH = "/org/example/shelf/1.0/shelf-1.0.jar"


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "jars.lock"
    file.write_text(f"org.example:shelf:1.0 sha256:{hashlib.sha256(GOOD).hexdigest()} {len(GOOD)}\n")
    return file


@pytest.fixture
def repository():
    """A Maven repository that serves what is put into it."""
    served: dict[str, bytes] = {}

    class Handler(http_server.Handler):
        def do_GET(self):
            body = served.get(self.path)
            self.respond(404 if body is None else 200, body or b"")

    with http_server.serving(Handler) as url:
        yield served, url


def test_the_lock_names_every_jar_once_without_an_address():
    found = jars.locked()
    assert len(found) == len({jar.path for jar in found}) == 46
    assert all(len(jar.digest) == 64 for jar in found)
    assert "http" not in jars.LOCK.read_text()
    assert jars.kafka_version() == "4.2.2"


def test_a_missing_jar_is_fetched_once(tmp_path, lock, repository):
    served, address = repository
    served[PATH] = GOOD
    environment = {jars.CACHE: str(tmp_path / "cache"), jars.REPOSITORY: address}
    assert jars.missing(tmp_path / "cache", lock)
    [path] = jars.ready(environment, lock)
    assert path.read_bytes() == GOOD
    assert not jars.missing(tmp_path / "cache", lock)
    served.clear()
    assert jars.ready(environment, lock) == [path]


def test_a_jar_with_another_digest_is_refused_and_not_kept(tmp_path, lock, repository):
    served, address = repository
    served[PATH] = b"what somebody else made".ljust(len(GOOD))[: len(GOOD)]
    environment = {jars.CACHE: str(tmp_path / "cache"), jars.REPOSITORY: address}
    with pytest.raises(jars.NoJars, match=r"shelf-1\.0\.jar is not the file.*run again"):
        jars.ready(environment, lock)
    served[PATH] = GOOD
    assert jars.ready(environment, lock)


def test_a_damaged_jar_in_the_cache_is_fetched_again(tmp_path, lock, repository):
    served, address = repository
    served[PATH] = GOOD
    environment = {jars.CACHE: str(tmp_path / "cache"), jars.REPOSITORY: address}
    [path] = jars.ready(environment, lock)
    path.write_bytes(GOOD.replace(b"lock", b"l0ck"))
    with pytest.raises(jars.NoJars, match="deleted"):
        jars.ready(environment, lock)
    assert jars.ready(environment, lock) == [path]


def test_a_missing_jar_without_network_says_what_to_do(tmp_path, lock):
    nowhere = f"http://127.0.0.1:{free_port()}"
    environment = {jars.CACHE: str(tmp_path / "cache"), jars.REPOSITORY: nowhere}
    with pytest.raises(jars.NoJars, match=r"connect to the network.*--kafka HOST:PORT"):
        jars.ready(environment, lock)
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_a_repository_without_the_jar_is_named_as_the_cause(tmp_path, lock, repository):
    _, address = repository
    environment = {jars.CACHE: str(tmp_path / "cache"), jars.REPOSITORY: address}
    with pytest.raises(jars.NoJars, match=r"shelf-1\.0\.jar.*not found"):
        jars.ready(environment, lock)


def test_jars_are_cached_in_the_users_folder_or_the_configured_one(tmp_path):
    assert jars.cache({jars.CACHE: "/jars"}).as_posix() == "/jars"
    assert jars.cache({"XDG_CACHE_HOME": "/c"}).as_posix() == "/c/library-inventory/jars"
