"""Settings from flag, environment, ``library.toml``, the system running nearby, default; in this order."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from foundation.near_misses import near_misses
from foundation.numbers import NUMBERS, is_number
from foundation.settings import PREFIX, SECRETS, BadSettings, Settings

FILE = "library.toml"
RUN_FILE = "run.json"


class Loaded(Struct, frozen=True):
    """Settings, and the source of each that has not its default."""

    settings: Settings
    sources: dict[str, str]
    warnings: list[str] = []
    """Variables that were ignored, but look like a misspelt setting."""


def load(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    folder: Path,
    running: bool = True,
    addresses: bool = True,
) -> Loaded:
    """Load the settings of a command that runs in ``folder``; a flag that is None was not given.

    Without ``running`` a system that runs nearby is ignored: ``library up`` starts another. Without
    ``addresses`` a run file that can't be read shows where its system is all the same. Raises BadSettings.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def take(given: Mapping[str, Any], source: str) -> None:
        for name, value in given.items():
            if name not in Settings.__struct_fields__:
                raise BadSettings(
                    f"{source}: no setting is called {name!r}; `library config show` lists them"
                )
            values[name], sources[name] = value, source

    file = nearest(folder, FILE)
    own = {n: v for n, v in flags.items() if v is not None}
    from_environment = {
        name: environment[variable]
        for name in Settings.__struct_fields__
        if (variable := PREFIX + name.upper()) in environment
    }
    from_file = _toml(file) if file else {}
    explicit = {**from_file, **from_environment, **own}
    if running and (run := _running(folder, explicit.get("data_dir"))):
        try:
            system = _system(run)
        except BadSettings:
            if addresses:
                raise
            system = {"data_dir": str(run.parent)}
        # A system with another Kafka or name is not the one that the explicit settings mean
        if all(explicit.get(name, system.get(name)) == system.get(name) for name in _IDENTITY):
            take(system, str(run))
    if "gateway" not in values and any(name in explicit for name in _IDENTITY):
        # The gateway at the default address may belong to another system
        take({"gateway": ""}, "no gateway of that system is known")
    take(from_file, str(file))
    take(from_environment, "environment")
    take(own, "flag")
    for name, value in values.items():
        if isinstance(value, str) and (kind := _NUMERIC.get(type(getattr(_DEFAULTS, name)))):
            _require_number(name, value, kind, sources[name])
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSettings(_explained(error, values, sources)) from error
    misses = misspelt(environment).items()
    warnings = [f"{name} is no setting and ignored; did you mean {known}?" for name, known in misses]
    return Loaded(settings, sources, warnings)


def misspelt(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that are no settings, each with the setting or machine variable that it resembles.

    Others that begin with ``LIBRARY_``, such as LIBRARY_PATH, belong to other programs.
    """
    known = [name.upper() for name in Settings.__struct_fields__]
    known += [name.removeprefix(PREFIX) for name in MACHINE_VARIABLES]
    names = (name for name in environment if not name.startswith("LIBRARY_TEST_"))
    return near_misses(names, PREFIX, {name: name for name in known} | _FLAGS)


_FLAGS = {"TIMEOUT": "DEADLINE"}
"""Flags that are not called as their settings."""

_IDENTITY = ("kafka", "name")
"""The settings that identify a system."""

_RUN_SETTINGS = (
    "kafka",
    "api",
    "gateway",
    "audit",
    "data_dir",
    "name",
    "partitions",
    "loan_days",
    "timezone",
    "signing_key",
)
"""The settings that a run file has: addresses, and those that all writers of a system share."""

MACHINE_VARIABLES = {"LIBRARY_JARS", "LIBRARY_MAVEN_REPOSITORY"}
"""Variables of the machine, not of a system: the jar cache, and the repository that jars come from.

Switches of tests and benchmarks begin with ``LIBRARY_TEST_``.
"""


_DEFAULTS = Settings()
_NUMERIC = {int: "integer", float: "number"}


def _require_number(name: str, value: str, kind: str, source: str) -> None:
    """Refuse a spelling of a number that only msgspec accepts."""
    if not is_number(kind, value):
        what = NUMBERS[kind][1].partition(",")[0]
        raise BadSettings(f"{name}: {name} is {what}, not {value!r} ({source})")


def _explained(error: msgspec.ValidationError, values: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    text = str(error)
    name = next((name for name in sources if f"$.{name}`" in text or text.startswith(f"{name} ")), "")
    if not name:
        return text
    if text.startswith("Expected"):
        kind = {int: "a whole number", float: "a number"}.get(type(getattr(_DEFAULTS, name)), "a text")
        text = f"{name} is {kind}" + ("" if name in SECRETS else f", not {values[name]!r}")
    return f"{name}: {text} ({sources[name]})"


def nearest(folder: Path, name: str) -> Path | None:
    """The file ``name`` in ``folder``, or in the closest folder above that has it."""
    for parent in (folder, *folder.parents):
        if _is_there(parent / name):
            return parent / name
    return None


def _is_there(file: Path) -> bool:
    """Whether a file has this name, or something else that can't be passed over, as a link to nothing."""
    try:
        file.lstat()
    except OSError:
        # Also a folder above that we may not search
        return False
    return True


def _running(folder: Path, data_dir: str | None) -> Path | None:
    if data_dir:
        run = folder / data_dir / RUN_FILE
        return run if _is_there(run) else None
    return nearest(folder, f"{Settings().data_dir}/{RUN_FILE}")


def _system(run: Path) -> dict[str, Any]:
    """The settings in a system's run file."""
    try:
        content = msgspec.json.decode(run.read_bytes(), type=dict[str, Any])
        system = {name: content[name] for name in _RUN_SETTINGS if name in content}
        msgspec.convert(system, Settings)
    except (OSError, ValueError) as error:
        raise BadSettings(f"{run} can't be read ({error}); `library down`, then `library up`") from error
    return system


def _toml(file: Path) -> dict[str, Any]:
    try:
        if file.exists() and not file.is_file():
            # Reading a FIFO would wait for ever
            raise ValueError("it is no file")
        # Editors of Windows put a byte order mark before the text
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise BadSettings(f"{file}: {error}") from error
