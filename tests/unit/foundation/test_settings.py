"""Which variables of the environment are settings, and which are named as misspelt ones."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.loaded_settings import load, misspelt
from foundation.settings import BadSettings, Settings


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("LIBRARY_PROT", "LIBRARY_PORT"),
        ("LIBRARY_PORTS", "LIBRARY_PORT"),
        ("LIBRARY_KAKFA", "LIBRARY_KAFKA"),
        ("LIBRARY_AIP", "LIBRARY_API"),
        ("LIBRARY_DATADIR", "LIBRARY_DATA_DIR"),
        ("LIBRARY_LOANDAYS", "LIBRARY_LOAN_DAYS"),
        ("LIBRARY_PARTITION", "LIBRARY_PARTITIONS"),
        ("LIBRARY_GATWAY_PORT", "LIBRARY_GATEWAY_PORT"),
        ("LIBRARY_TIME_ZONE", "LIBRARY_TIMEZONE"),
        ("LIBRARY_JAR", "LIBRARY_JARS"),
        ("LIBRARY_Prot", "LIBRARY_PORT"),
        ("LIBRARY_port", "LIBRARY_PORT"),
        ("library_port", "LIBRARY_PORT"),
        ("Library_Data_Dir", "LIBRARY_DATA_DIR"),
        ("LIBRARY-PORT", "LIBRARY_PORT"),
        ("LIBRARYPORT", "LIBRARY_PORT"),
        ("LIBRARYGATEWAY_PORT", "LIBRARY_GATEWAY_PORT"),
        ("LIBRARY__PORT", "LIBRARY_PORT"),
        ("LIBARY_PORT", "LIBRARY_PORT"),
        ("LIBRAYR_TOKEN", "LIBRARY_TOKEN"),
        ("LIBRARYS_LOG_LEVEL", "LIBRARY_LOG_LEVEL"),
        ("LIBRARY_PORT ", "LIBRARY_PORT"),
        ("LIBRARY_TOKEN_FILE", "LIBRARY_TOKEN"),
        ("LIBRARY_KAFKA_PASSWORD_FILE", "LIBRARY_KAFKA_PASSWORD"),
        ("LIBRARY_KAFKA_PASWORD_FILE", "LIBRARY_KAFKA_PASSWORD"),
        ("LIBRARY_API_URL", "LIBRARY_API"),
        ("LIBRARY_GATEWAY_URL", "LIBRARY_GATEWAY"),
        ("LIBRARY_KAFKA_USER", "LIBRARY_KAFKA_USERNAME"),
        ("LIBRARY_KAFKA_PASS", "LIBRARY_KAFKA_PASSWORD"),
        ("LIBRARY_PAGE_ORIGIN", "LIBRARY_PAGE_ORIGINS"),
        ("LIBRARY_TIMEOUT", "LIBRARY_DEADLINE"),
    ],
)
def test_a_near_miss_of_a_setting_is_ignored_with_a_warning(variable, setting):
    loaded = load({}, {variable: "1"}, Path("/"))
    assert loaded.settings == Settings()
    assert loaded.warnings == [f"{variable} is no setting and ignored; did you mean {setting}?"]


@pytest.mark.parametrize(
    "variable",
    ["LIBRARY_PATH", "LIBRARY_DIRS", "LIBRARY_HOME", "LIBRARY_ROOT", "LIBRARY_VERSION", "LIBRARY_APP",
     "LIBRARY_USER", "LIBRARY_", "LIBRARY", "library_path", "LIBRARY_FILE", "LIBRARY_PATH_FILE",
     "MYLIBRARY_PORT", "LIBRARIES_PORT", "PORT", "HOST", "NAME", "KAFKA", "LIB_PORT", "LIBRARY_DATA",
     "LIBRARY_LOG", "ACTOR", "LIBRARY_TEST_BROKER", "LIBRARY_MODE", "LD_LIBRARY_PATH", "LIBRARY_URL"],
)  # fmt: skip
def test_variables_of_other_programs_are_ignored_silently(variable):
    loaded = load({}, {variable: "/usr/lib"}, Path("/"))
    assert (loaded.settings, loaded.warnings) == (Settings(), [])


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_is_read_from_its_variable_and_is_no_near_miss(name):
    value = str(getattr(Settings(), name))
    loaded = load({}, {f"LIBRARY_{name.upper()}": value}, Path("/"))
    assert loaded.sources[name] == "environment"
    assert misspelt({f"LIBRARY_{name.upper()}": value, "LIBRARY_JARS": "x"}) == {}


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "LIBRARY_PORT",
            "tcp://10.0.0.1:80",
            "port: port is a whole number, not 'tcp://10.0.0.1:80' (environment)",
        ),
        ("LIBRARY_PORT", "", "port is a whole number, not ''"),
        ("LIBRARY_PORT", "8e3", "port is a whole number, not '8e3'"),
        ("LIBRARY_PORT", "8_000", "port is a whole number, not '8_000'"),
        ("LIBRARY_PORT", "+8000", "port is a whole number, not '+8000'"),
        ("LIBRARY_PORT", "8000.0", "port is a whole number, not '8000.0'"),
        ("LIBRARY_DEADLINE", "soon", "deadline is a number, not 'soon'"),
        ("LIBRARY_DEADLINE", " 5", "deadline is a number, not ' 5'"),
        ("LIBRARY_DEADLINE", "nan", "deadline is a number, not 'nan'"),
        ("LIBRARY_KAFKA", "", "kafka is as broker-1:9092,broker-2:9092, not ''"),
        ("LIBRARY_KAFKA", "localhost:x", "not 'localhost:x'"),
        ("LIBRARY_KAFKA", "localhost:65536", "not 'localhost:65536'"),
        ("LIBRARY_KAFKA", "localhost:9092,", "not 'localhost:9092,'"),
        ("LIBRARY_KAFKA", "http://localhost:9092", "not 'http://localhost:9092'"),
    ],
)
def test_an_unusable_value_is_named_in_a_sentence(variable, value, message):
    with pytest.raises(BadSettings) as refused:
        load({}, {variable: value}, Path("/"))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "kafka", ["broker", "b-1.example:9092, b_2:9093", "[::1]:9092", "SASL_SSL://broker:9093"]
)
def test_brokers_have_a_host_and_mostly_a_port(kafka):
    assert load({"kafka": kafka}, {}, Path("/")).settings.kafka == kafka


@pytest.mark.parametrize(
    "content", ["", "{bad", "null", "[1]", '"x"', '{"kafka": 3}', '{"name": "a b"}', "\xff"]
)
def test_a_run_file_that_cannot_be_read_still_shows_where_its_system_is(tmp_path, content):
    run = tmp_path / ".library" / "run.json"
    run.parent.mkdir()
    run.write_text(content, "latin-1")
    with pytest.raises(BadSettings, match=r"run\.json can't be read .*; `library down`, then `library up`"):
        load({}, {}, tmp_path)
    (tmp_path / "below").mkdir()
    found = load({}, {}, tmp_path / "below", addresses=False)
    assert found.settings == Settings(data_dir=str(run.parent))


def link_to(target: str) -> Callable[[Path], None]:
    return lambda file: file.symlink_to(target)


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, link_to("library.toml"), link_to("nothing"), link_to(".")],
    ids=["a folder", "a fifo", "a link to itself", "a link to nothing", "a link to a folder"],
)
def test_a_settings_file_that_is_no_file_is_not_passed_over(tmp_path: Path, make: Callable[[Path], None]):
    make(tmp_path / "library.toml")
    (tmp_path / "below").mkdir()
    with pytest.raises(BadSettings, match=r"library\.toml: "):
        load({}, {}, tmp_path / "below")


@pytest.mark.parametrize("content", ["\ufeffport = 8090\n", "\ufeff# ours\r\nport = 8090\r\n"])
def test_a_settings_file_of_a_windows_editor_is_read(tmp_path, content):
    (tmp_path / "library.toml").write_bytes(content.encode())
    assert load({}, {}, tmp_path).settings.port == 8090
