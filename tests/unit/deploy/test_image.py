"""The image is built of what .dockerignore lets through."""

import tomllib
from pathlib import Path

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]


def test_every_package_of_the_wheel_gets_into_the_image():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert [name for name in packages if f"!{name}" not in ignored] == []


def test_the_tests_own_engine_builds_the_image_for_every_service_that_has_it():
    compose, own = (
        yaml.safe_load((ROOT / file).read_text("utf-8"))["services"]
        for file in ("docker-compose.yml", "tests/containers/own_engine.yml")
    )
    assert own.keys() == {name for name, service in compose.items() if "build" in service}
    assert all(service == {"build": {"network": "host"}} for service in own.values())
