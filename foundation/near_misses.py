"""Environment variables that look like a misspelt setting."""

import re
from collections.abc import Collection, Iterable, Mapping

LETTERS_PER_ERROR = 4
"""A name may have one error for so many of its letters: short words are often names of something else."""
_ENDINGS = re.compile("_(?:FILE|URL)$")
"""Other programs read a setting from the file that a variable with this ending names, or call it a URL."""


def near_misses(names: Iterable[str], prefix: str, known: Mapping[str, str]) -> dict[str, str]:
    """The names that differ little from a known one, each with the known one.

    ``known`` maps names in capitals, without the ``prefix`` that each has in the environment, to what is
    meant: mostly to themselves.
    """
    misses = {}
    for name in names:
        capitals = name.upper()
        if capitals.startswith(prefix):
            rest = capitals[len(prefix) :]
            best = rest if rest in known else _closest(_ENDINGS.sub("", rest), known)
        else:
            best = _after_a_misspelt_prefix(capitals, prefix, known)
        if best is not None and name != prefix + known[best]:
            misses[name] = prefix + known[best]
    return misses


def _after_a_misspelt_prefix(name: str, prefix: str, known: Collection[str]) -> str | None:
    """The known name at the end of ``name``, if only one letter before it is wrong."""
    for each in known:
        if name.endswith(each) and abs(len(name) - len(each) - len(prefix)) <= 1:
            before = name[: -len(each)]
            if sorted(before) == sorted(prefix) or _distance(before, prefix) == 1:
                return each
    return None


def _closest(name: str, known: Collection[str]) -> str | None:
    """The known name with the fewest errors, if they are few, or one of which ``name`` is more than half."""
    distance, best = min((_distance(name, each), each) for each in known)
    exchanged = sorted(name) == sorted(best)
    if exchanged or distance <= len(best) // LETTERS_PER_ERROR:
        return best
    return next((each for each in known if each.startswith(name) and 2 * len(name) > len(each)), None)


def _distance(one: str, other: str) -> int:
    """Letters to insert, delete, replace, or exchange with their neighbour (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            steps = [above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != wanted)]
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                steps.append(before[j - 2] + 1)
            row.append(min(steps))
        before, above = above, row
    return above[-1]
