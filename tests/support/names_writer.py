"""Writes names of borrowers in transactions, as the write side does."""

import time
from collections.abc import Iterable

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.patrons import PatronForgotten, PatronName, forgotten_key, name_key, new_token
from schemas.topics import ensure_names_topic, names_topic

Records = Iterable[tuple[bytes, bytes | None]]


class NamesWriter:
    """Makes the topic, if it is missing, and writes to it."""

    def __init__(self, settings: Settings) -> None:
        ensure_names_topic(AdminClient(client_config(settings)), settings)
        self._topic = names_topic(settings)
        self._producer = Producer(
            client_config(settings) | {"transactional.id": f"{settings.name}-names-standin", "linger.ms": 0}
        )
        self._producer.init_transactions(30)

    def register(self, *users: str) -> list[str]:
        """Give borrowers tokens, and return them."""
        tokens = [new_token() for _ in users]
        self.commit(
            (name_key(token), encode(PatronName(user, _now())))
            for token, user in zip(tokens, users, strict=True)
        )
        return tokens

    def forget(self, token: str) -> None:
        """Write the tombstone, and the record that says when."""
        self.commit([(name_key(token), None), (forgotten_key(token), encode(PatronForgotten(_now())))])

    def begin(self, records: Records) -> None:
        """Write records in a transaction that stays open."""
        self._producer.begin_transaction()
        for key, value in records:
            self._producer.produce(self._topic, value, key, 0)
        assert self._producer.flush(30) == 0

    def end(self) -> None:
        """Commit what was begun."""
        self._producer.commit_transaction(30)

    def commit(self, records: Records) -> None:
        """Write records in one transaction."""
        self.begin(records)
        self.end()

    def abort(self, records: Records) -> None:
        """Write records in a transaction that is aborted."""
        self.begin(records)
        self._producer.abort_transaction(30)


def _now() -> int:
    return int(time.time() * 1000)
