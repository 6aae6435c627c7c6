"""The result of one check of `library doctor`."""

from enum import StrEnum

from msgspec import Struct


class Grade(StrEnum):
    """How serious a finding is."""

    FINE = "fine"
    WARNING = "warning"
    BROKEN = "broken"


class Finding(Struct, frozen=True):
    """The result of a check; ``fix`` is a command or an instruction."""

    check: str
    grade: Grade
    found: str
    fix: str = ""
