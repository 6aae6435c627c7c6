"""A rebuild beside the live table in containers: docker-compose.yml and docs/operations.md."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
UPGRADES = (
    (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## Upgrades")[2].partition("\n## ")[0]
)


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"][name]
    return found


def test_the_worker_of_the_second_table_is_a_projector_of_the_newest_table_in_a_profile_of_its_own():
    worker, live = service("rebuild"), service("projector")
    assert worker["profiles"] == ["rebuild"]
    assert "profiles" not in live
    assert worker["command"][-1] == live["command"][-1].replace("projector", "projector --table newest")
    for member in ("image", "build", "restart", "depends_on", "healthcheck", "init"):
        assert worker.get(member) == live.get(member), member
    # A worker of a dropped table ends, and has to come back for the other one
    assert worker["restart"] == "unless-stopped"


def test_the_documented_commands_name_services_and_profiles_that_there_are():
    commands = [shlex.split(line, comments=True) for line in re.findall(r"docker compose [^`\n|]+", UPGRADES)]
    profiles = {profile for name in COMPOSE["services"] for profile in service(name).get("profiles", ())}
    for words in commands:
        if "--profile" in words:
            assert words[words.index("--profile") + 1] in profiles
        if words[2] in ("exec", "rm"):
            assert {word for word in words[3:] if not word.startswith("-")} & COMPOSE["services"].keys()
    run = [" ".join(words[4:7]) for words in commands if words[2] == "exec"]
    assert run == [f"library rebuild {step}" for step in ("start", "status", "drop")]
