"""The image is built of what .dockerignore lets through."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_package_of_the_wheel_gets_into_the_image():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert [name for name in packages if f"!{name}" not in ignored] == []
