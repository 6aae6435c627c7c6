"""The library as a Decider: its golden events are complete, and its fingerprint follows the rules."""

from dataclasses import replace
from typing import Any, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from eventstore.decider import Decider, Rejection
from inventory.domain import GOLDEN, library
from inventory.rules import Title, evolve
from schemas.codec import decode
from schemas.events import TYPES, BookReturned, Event
from schemas.records import EVENTS

LIBRARY = library(21, "UTC")


def test_every_event_type_is_among_the_golden_events():
    assert {type(event) for event in GOLDEN} == set(TYPES) == set(get_args(Event))


def test_every_event_type_has_a_schema_and_survives_the_codec():
    assert [decode(EVENTS.encode(event)) for event in GOLDEN] == list(GOLDEN)


def test_the_fingerprint_is_the_same_in_every_process():
    assert LIBRARY.fingerprint() == library(7, "Europe/Prague").fingerprint()
    assert len(LIBRARY.fingerprint()) == 16


def test_the_fingerprint_changes_with_evolve():
    def forgetful(title: Title, event: Event) -> Title:
        return title if isinstance(event, BookReturned) else evolve(title, event)

    assert replace(LIBRARY, evolve=forgetful).fingerprint() != LIBRARY.fingerprint()


def test_the_fingerprint_changes_with_a_field_of_the_state():
    class Title(Struct, frozen=True):  # the same name with one more field
        present: bool = False
        shelf: str = ""

    state: Any = Title()
    changed = replace(LIBRARY, initial=state, evolve=lambda title, event: title)
    unchanged = replace(LIBRARY, evolve=lambda title, event: title)
    assert changed.fingerprint() != unchanged.fingerprint()


def test_a_rejection_of_the_library_is_one_of_the_engine():
    rejection = LIBRARY.decide(
        LIBRARY.initial,
        msgspec.convert({"type": "RemoveBook", "isbn": "9781593275846"}, type=_command_type()),
        0,
    )
    assert isinstance(rejection, Rejection)
    assert asdict(rejection)["code"] == "unknown_title"


def _command_type() -> object:
    from inventory.commands import Command

    return Command


def test_the_engine_is_given_the_librarys_events_by_title():
    assert isinstance(LIBRARY, Decider)
    assert LIBRARY.events.stream_of(GOLDEN[0]) == "9781593275846"
    assert not LIBRARY.events.is_stream("978159327584")
