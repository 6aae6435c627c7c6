"""Turns: how many lanes of a gateway execute a batch at once.

A transaction costs Kafka, projectors and readers about as much for one command as for a dozen. Where the
processors are busy, many transactions at once only slow each other down, and each carries few commands. While
a lane waits for its turn, more commands come. Where transactions wait for a network or a disk, they can do so
side by side. Which of the two it is shows in how long they take: TCP Vegas tells a full queue from a long way
in the same manner (Brakmo and Peterson, 1995). See ``docs/decisions/0021``.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

FEWEST = 2.0
"""Turns at once at least, of all gateways that share the partitions together: one lane works while another
waits for Kafka. Each gateway has its share of them; with less than one it pauses after each turn."""
LONGEST_WAIT_S = 0.1
"""For a turn; then the oldest one does not count any more. A broker that does not answer keeps its lanes for
seconds, but not the other lanes from their turns."""
QUICK, SLOW = 1.5, 2.0
"""Times the shortest duration: what transactions take that do not slow each other down, and that do."""
STEP = 0.1
"""By which the limit changes after a transaction."""
SMOOTHING = 0.1
"""Weight of a transaction in the usual duration."""
FORGETTING = 1.0001
"""Factor by which the shortest duration grows with each transaction: Kafka may become slower for good."""


class Limit:
    """How many transactions at once, learned from the seconds that they take."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.fewest = FEWEST
        self._learned = 0.0
        self._shortest = self._usual = 0.0

    @property
    def value(self) -> float:
        """At least ``fewest``, at most one for each lane."""
        return max(self.fewest, self._learned)

    @property
    def at_once(self) -> int:
        """Turns that may be given at once."""
        return max(1, int(self.value))

    def pause_s(self, took_s: float) -> float:
        """Seconds after a transaction without a turn: with a limit of a half, as long as it took."""
        return max(0.0, 1 / self.value - 1) * took_s

    def learn(self, took_s: float, *, reached: bool) -> None:
        """Adapt to a transaction. ``reached``: others waited meanwhile because of the limit."""
        self._shortest = min(self._shortest * FORGETTING, took_s) if self._shortest else took_s
        self._usual += SMOOTHING * (took_s - self._usual) if self._usual else took_s
        if self._usual > SLOW * self._shortest:
            self._learned = max(self.value - STEP, self.fewest)
        elif reached and self._usual < QUICK * self._shortest:
            self._learned = min(self.value + STEP, self._most)


class Turn:
    """One turn. ``took_s``: how long Kafka took for its transaction; None if it had none."""

    took_s: float | None = None


class Turns:
    """Gives turns in the order of arrival, a limited number at once. For all threads."""

    def __init__(self, most: int) -> None:
        self._limit = Limit(most)
        self._lock = threading.Lock()
        self._given: list[Turn] = []
        """Those that count, the oldest first."""
        self._waiting: deque[tuple[Turn, threading.Event]] = deque()

    @property
    def waiting(self) -> int:
        """Threads that wait for a turn."""
        return len(self._waiting)

    def share(self, share: float) -> None:
        """Note which part of the partitions this gateway has, above 0 and at most 1."""
        self._limit.fewest = FEWEST * share

    @contextmanager
    def one(self) -> Iterator[Turn]:
        """A turn, after LONGEST_WAIT_S at the latest."""
        turn = Turn()
        self._take(turn)
        try:
            yield turn
            self._pause(turn)
        finally:
            self._end(turn)

    def _pause(self, turn: Turn) -> None:
        if turn.took_s is not None and self._waiting:
            sleep(min(LONGEST_WAIT_S, self._limit.pause_s(turn.took_s)))

    def _take(self, turn: Turn) -> None:
        with self._lock:
            if len(self._given) < self._limit.at_once:
                self._given.append(turn)
                return
            entry = turn, threading.Event()
            self._waiting.append(entry)
        if entry[1].wait(LONGEST_WAIT_S):
            return
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
                # Whoever had the oldest turn goes on, but does not keep the others from theirs
                del self._given[0]
                self._given.append(turn)

    def _end(self, turn: Turn) -> None:
        with self._lock:
            if turn in self._given:
                self._given.remove(turn)
            if turn.took_s is not None:
                self._limit.learn(turn.took_s, reached=bool(self._waiting))
            while self._waiting and len(self._given) < self._limit.at_once:
                following, called = self._waiting.popleft()
                self._given.append(following)
                called.set()
