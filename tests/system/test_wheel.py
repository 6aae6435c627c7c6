"""The wheel, installed into an environment of its own without the extra ``embedded``."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from foundation.cli import exits
from library.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program without the settings and the import path of these tests."""
    environment: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith(("LIBRARY_", "PYTHON"))
    }
    return subprocess.run(
        command, env={**environment, **more}, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    # What git has, so that nothing of this tree's environment gets in
    listed = run("git", "-C", ROOT, "ls-files", "-z")
    if listed.returncode:
        pytest.skip("this is no git repository")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(hatchling, cwd=source, capture_output=True, text=True, timeout=100, check=False)
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of a fresh environment that has the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    made = run(UV, "venv", "-q", "--python", sys.executable, folder)
    assert made.returncode == 0, made.stderr
    python = folder / "bin" / "python"
    done = run(UV, "pip", "install", "-q", "--python", python, "-c", ROOT / "requirements.lock", wheel)
    if done.returncode:
        pytest.skip(f"the dependencies can't be installed: {done.stderr[-300:]}")
    return folder / "bin"


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    files = run("git", "-C", ROOT, "ls-files", "-z", *packages).stdout.split("\0")
    assert names == {name for name in files if name and (ROOT / name).is_file()}
    assert {"query_api/page/index.html", "schemas/avsc/ids.json", "library/broker/jars.lock"} <= names


def test_every_command_of_the_installed_program_can_be_loaded(installed: Path, tmp_path: Path) -> None:
    for script in PROJECT["project"]["scripts"]:
        done = run(installed / script, "--version")
        assert (done.returncode, done.stdout) == (0, f"{script}, version {PROJECT['project']['version']}\n")
    loading = f"""
import sys
from library.cli import library
import click
assert "tests" not in sys.modules and {str(ROOT)!r} not in sys.path
for name in {list(COMMANDS)}:
    assert library.get_command(click.Context(library), name) is not None
import producer.cli, projector.__main__, query_api.cli, query_api.http.app, producer.gateway.app
from schemas.codec import CODEC
assert CODEC.schemas
"""
    done = run(installed / "python", "-c", loading)
    assert done.returncode == 0, done.stderr
    books = tmp_path / "books.csv"
    books.write_text("isbn,title\n978-1593275846,T\nx,U\n", "utf-8")
    done = run(installed / "library", "import", "--dry-run", str(books))
    assert done.returncode == exits.BAD_DATA
    assert done.stdout.startswith("1 can be imported, 1 rejected")


@pytest.mark.parametrize("command", [["up", "--detach"], ["up"], ["kafka", "topics", "--list"]])
def test_without_the_extra_a_command_that_needs_it_names_it_at_once(
    command: list[str], installed: Path, tmp_path: Path
) -> None:
    data_dir = ["--data-dir", str(tmp_path / "data")]
    done = run(
        installed / "library", command[0], *data_dir, *command[1:], LIBRARY_JARS=str(tmp_path / "jars")
    )
    assert done.returncode == exits.FAILED
    assert "`pip install 'library-inventory[embedded]'`" in done.stderr
    assert "Traceback" not in done.stderr
    assert "still waiting" not in done.stderr


def test_without_the_extra_doctor_names_it(installed: Path, tmp_path: Path) -> None:
    program: list[str | Path] = [
        installed / "library",
        "doctor",
        "--json",
        "--data-dir",
        str(tmp_path),
        "--kafka",
        "127.0.0.1:1",
    ]
    done = run(*program, LIBRARY_JARS=str(tmp_path / "jars"))
    findings = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert findings["jars"]["grade"] == "warning"
    assert findings["jars"]["fix"] == "pip install 'library-inventory[embedded]'"
