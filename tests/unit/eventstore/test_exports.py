"""``eventstore`` exports what a domain needs, and imports nothing before it is used."""

import subprocess
import sys

import pytest

import eventstore


@pytest.mark.parametrize("name", eventstore.__all__)
def test_every_exported_name_exists(name: str):
    assert getattr(eventstore, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Aggregate'"):
        _ = eventstore.Aggregate


def test_importing_the_engine_does_not_import_kafkas_client():
    code = "import sys, eventstore; sys.exit('confluent_kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
