"""The embedded broker's configuration file, in Java's syntax."""

from pathlib import Path

import pytest

from library.broker.properties import as_text, one_node


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/a/b-c_d.e~{f}%#?!=:", "/a/b-c_d.e~{f}%#?!=:"),
        (" a b ", r"\u0020a\u0020b\u0020"),
        ("a\\b\n\t", r"a\u005cb\u000a\u0009"),
        ("é漢😀", r"\u00e9\u6f22\ud83d\ude00"),
        (9092, "9092"),
    ],
)
def test_values_are_escaped_for_java(value, text):
    assert as_text({"log.dirs": value}) == f"log.dirs={text}\n"


def test_the_configuration_is_ascii_with_one_line_for_each_property():
    settings = one_node(Path("/a\nb"), 9092, 9093, "disk")
    assert len(as_text(settings).encode("ascii").splitlines()) == len(settings)
