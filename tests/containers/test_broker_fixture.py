"""Integration tests of writer, projector and reader, on a broker in a container."""

import subprocess
import sys

import pytest

from tests.containers.engine import Engine
from tests.containers.images import Images
from tests.containers.system import ROOT
from tests.support.brokers import CHOICE

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

TESTS = (
    "tests/integration/test_brokers.py",
    "tests/integration/eventstore/test_reader.py",
    "tests/integration/eventstore/test_writer.py",
    "tests/integration/projector/test_exact.py",
)
"""A choice: `LIBRARY_TEST_BROKER=docker make test` runs all of them there."""


def test_broker_tests_pass_against_a_broker_in_a_container(engine: Engine, images: Images) -> None:
    arguments = ["-q", "-m", "not slow and not containers", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env=engine.environment | {CHOICE: "docker", "KAFKA_IMAGE": images.kafka},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    print(done.stdout.splitlines()[-1])
