"""Kafka's own tools, run from its jars."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eventstore.topics import events_topic
from foundation.settings import Settings


def kafka(
    settings: Settings, *arguments: str, stdout: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "library", "kafka", "--kafka", settings.kafka, *arguments],
        env=os.environ | {"LIBRARY_NAME": settings.name},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("topics", "--list"), "{topic}"),
        (("configs", "--entity-type", "topics", "--entity-name", "{topic}", "--describe"), "cleanup.policy="),
        (("get-offsets", "--topic", "{topic}"), "{topic}:0:0"),
        (("consumer-groups", "--list"), ""),
        (("groups", "--list"), ""),
        (("transactions", "list"), "TransactionalId"),
        (("topics", "--help"), "--bootstrap-server"),
    ],
)
def test_a_tool_uses_this_systems_kafka(arguments: tuple[str, ...], output: str, settings: Settings) -> None:
    topic = events_topic(settings)
    done = kafka(settings, *(argument.format(topic=topic) for argument in arguments))
    assert "Traceback" not in done.stderr
    assert output.format(topic=topic) in (done.stderr if "--help" in arguments else done.stdout)
    assert done.returncode == (1 if "--help" in arguments else 0), done.stderr


def test_output_of_a_tool_that_is_lost_is_an_error(settings: Settings) -> None:
    with Path("/dev/full").open("w") as full:
        done = kafka(settings, "topics", "--list", stdout=full)
    assert (done.returncode, done.stderr) == (
        1, "Error: standard output can't be written: No space left on device\n",
    )  # fmt: skip


def test_the_tools_exit_code_is_the_commands(settings: Settings) -> None:
    done = kafka(settings, "topics", "--describe", "--topic", "no-such-topic")
    assert done.returncode == 1
    assert "no-such-topic" in done.stdout + done.stderr
