"""Environment variables that look like a misspelt setting."""

from collections.abc import Collection, Iterable

LETTERS_PER_ERROR = 4
"""A name may have one error for so many of its letters: short words are often names of something else."""


def near_misses(names: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """The names that are not known, but differ little from a known one, with that one."""
    misses = {}
    for name in names:
        if name not in known and (best := _closest(name, known)):
            misses[name] = best
    return misses


def _closest(name: str, known: Collection[str]) -> str | None:
    """The known name with the fewest errors, if they are few."""
    distance, best = min((_distance(name, each), each) for each in known)
    exchanged = sorted(name) == sorted(best)
    return best if exchanged or distance <= len(best) // LETTERS_PER_ERROR else None


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
