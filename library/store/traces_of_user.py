"""Looks for a user id in Kafka's topics and in files: as it is, in UTF-16, hexadecimal and base64."""

import base64
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstore.partition_reader import TRANSIENT
from foundation.kafka_clients import KafkaUnavailable, reading_config
from foundation.settings import Settings
from library.store.offsets import beginning, high_watermarks

CHUNK_BYTES = 1 << 22
_POLL_S = 0.2
_BATCH_RECORDS = 2000


class Trace(NamedTuple):
    """A place that has the user id, and in which form it is there."""

    place: str
    form: str


def forms(user_id: str) -> dict[str, tuple[bytes, ...]]:
    """The bytes to look for, by the name of the form.

    In base64 a text looks different at each of three alignments; characters that its neighbours share are
    left out. A very short user id is looked for in one or two characters of it, and found too often.
    """
    raw = user_id.encode()
    hexadecimal = raw.hex()
    encoded = {
        code(b"\0" * shift + raw)[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        for shift in range(3)
        for code in (base64.b64encode, base64.urlsafe_b64encode)
    }
    return {
        "as it is": (raw,),
        "UTF-16": (user_id.encode("utf-16-le"), user_id.encode("utf-16-be")),
        "hexadecimal": (hexadecimal.encode(), hexadecimal.upper().encode()),
        "base64": tuple(sorted(encoded)),
    }


def form_in(content: bytes, wanted: Mapping[str, tuple[bytes, ...]]) -> str | None:
    """The first form that ``content`` has."""
    return next((form for form, needles in wanted.items() if any(n in content for n in needles)), None)


def traces_in_topic(settings: Settings, topic: str, user_id: str) -> Iterator[Trace]:
    """The records that have the user id in key, value or a header; aborted and uncommitted ones, too.

    Raises KafkaException, KafkaUnavailable.
    """
    wanted = forms(user_id)
    for message in every_record(settings, topic):
        named: Any = message.headers() or []
        headers = [part for name, value in named for part in (name.encode(), value)]
        for part in (message.key(), message.value(), *headers):
            if part and (form := form_in(part, wanted)) is not None:
                yield Trace(f"{topic} {message.partition()}:{message.offset()}", form)
                break


def every_record(settings: Settings, topic: str) -> Iterator[Message]:
    """Each record that the brokers have now, aborted and uncommitted ones included.

    Raises KafkaException, and KafkaUnavailable when nothing comes for the settings' deadline.
    """
    ends, starts = high_watermarks(settings, topic), beginning(settings, topic)
    left = {p for p, end in ends.items() if end > starts[p]}
    config = {"isolation.level": "read_uncommitted", "auto.offset.reset": "earliest"}
    consumer = Consumer(reading_config(settings) | config)
    silent_s = 0.0
    try:
        consumer.assign([TopicPartition(topic, p, starts[p]) for p in left])
        while left:
            messages = consumer.consume(1, _POLL_S)
            messages += consumer.consume(_BATCH_RECORDS, 0) if messages else []
            silent_s = 0.0 if messages else silent_s + _POLL_S
            if silent_s > settings.deadline:
                raise KafkaUnavailable(f"Kafka at {settings.kafka} was silent for {settings.deadline:g} s")
            for message in messages:
                partition, error = message.partition() or 0, message.error()
                if error is None:
                    yield message
                    if (message.offset() or 0) + 1 >= ends[partition]:
                        # Kafka reports no end while records arrive all the time
                        left.discard(partition)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(partition)
                elif error.code() not in TRANSIENT:
                    raise KafkaException(error)
    finally:
        consumer.close()


def traces_in_files(folder: Path, user_id: str, unreadable: list[str]) -> Iterator[Trace]:
    """The files below ``folder`` that have the user id, Kafka's ``.deleted`` ones included.

    Files that can't be read are added to ``unreadable``; one that was deleted meanwhile is not.
    """
    wanted = forms(user_id)
    longest = max(len(needle) for needles in wanted.values() for needle in needles)
    for path in _files(folder, unreadable):
        try:
            with path.open("rb") as file:
                form = _form_in_file(iter(lambda: file.read(CHUNK_BYTES), b""), wanted, longest)
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable.append(f"{path}: {error.strerror}")
            continue
        if form is not None:
            yield Trace(str(path), form)


def _form_in_file(
    chunks: Iterable[bytes], wanted: Mapping[str, tuple[bytes, ...]], longest: int
) -> str | None:
    end = b""
    for chunk in chunks:
        content = end + chunk
        if (form := form_in(content, wanted)) is not None:
            return form
        end = content[-(longest - 1) :]
    return None


def _files(folder: Path, unreadable: list[str]) -> Iterator[Path]:
    def failed(error: OSError) -> None:
        unreadable.append(f"{error.filename}: {error.strerror}")

    for root, _, names in os.walk(folder, onerror=failed):
        for name in sorted(names):
            path = Path(root, name)
            if path.is_file() and not path.is_symlink():
                yield path
