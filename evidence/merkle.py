"""Merkle trees over leaf hashes: roots and proofs (RFC 6962, section 2.1; RFC 9162, 2.1.3 and 2.1.4)."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from evidence.leaf import HASH_BYTES

EMPTY_ROOT = sha256(b"").digest()
_NODE = b"\1"


class BadProof(ValueError):
    """The proof does not lead to the root."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(_NODE + left + right).digest()


class Frontier:
    """A tree of which only the roots of its full subtrees are kept: one hash for each bit of the size."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Continue a tree of ``size`` leaves with its ``hashes``. Raises ValueError for another number."""
        if size < 0 or len(hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has not {len(hashes)} full subtrees")
        self.size = size
        self._full = dict(zip(reversed(_levels(size)), hashes, strict=True))

    @property
    def hashes(self) -> list[bytes]:
        """The roots of the full subtrees, the largest first."""
        return [self._full[level] for level in reversed(_levels(self.size))]

    def add(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes."""
        nodes, level = list(leaves), 0
        size, self.size = self.size, self.size + len(nodes)
        # Level by level: one comprehension is much faster than a loop over the leaves
        while nodes:
            if size >> level & 1:
                nodes.insert(0, self._full.pop(level))
            if len(nodes) & 1:
                self._full[level] = nodes.pop()
            nodes, level = _parents(nodes), level + 1

    def root(self) -> bytes:
        """The root of all leaves."""
        return _folded(self.hashes)


class Tree:
    """A tree of which all nodes are kept, for proofs. It takes 64 bytes a leaf."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels = [bytearray()]
        self.add(leaves)

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def add(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes."""
        self._levels[0] += b"".join(leaves)
        level = 0
        while (full := len(self._levels[level]) // (2 * HASH_BYTES)) > 0:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            above = self._levels[level + 1]
            done = len(above) // HASH_BYTES
            below = bytes(memoryview(self._levels[level])[2 * done * HASH_BYTES : 2 * full * HASH_BYTES])
            step = 2 * HASH_BYTES
            pairs = (below[at : at + step] for at in range(0, len(below), step))
            above += b"".join([sha256(_NODE + pair).digest() for pair in pairs])
            level += 1

    def leaf(self, index: int) -> bytes:
        """The hash of a leaf. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(f"there is no leaf {index} among {len(self)}")
        return self._node(0, index)

    def root(self, size: int | None = None) -> bytes:
        """The root of the first ``size`` leaves, or of all. Raises ValueError if there are fewer."""
        size = self._checked(len(self) if size is None else size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The proof that leaf ``index`` is among the first ``size``. Raises ValueError if it is not."""
        size = self._checked(len(self) if size is None else size)
        if not 0 <= index < size:
            raise ValueError(f"leaf {index} is not among the first {size}")
        path, start = [], 0
        while size > 1:
            left = _left(size)
            if index - start < left:
                path.append(self._range(start + left, size - left))
                size = left
            else:
                path.append(self._range(start, left))
                start, size = start + left, size - left
        return path[::-1]

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """The proof that the first ``first`` leaves begin the first ``second``. Raises ValueError."""
        second = self._checked(len(self) if second is None else second)
        if not 0 <= first <= second:
            raise ValueError(f"{first} leaves don't begin {second}")
        if first in (0, second):
            return []
        path, start, size, known = [], 0, second, True
        while first - start != size:
            left = _left(size)
            if first - start <= left:
                path.append(self._range(start + left, size - left))
                size = left
            else:
                path.append(self._range(start, left))
                start, size, known = start + left, size - left, False
        # Whoever checks the proof has the old root already
        return ([] if known else [self._range(start, size)]) + path[::-1]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= len(self):
            raise ValueError(f"there are {len(self)} leaves, not {size}")
        return size

    def _range(self, start: int, size: int) -> bytes:
        """The root of ``size`` leaves from ``start`` on, which is a multiple of the power of 2 above."""
        nodes = []
        for level in reversed(_levels(size)):
            nodes.append(self._node(level, start >> level))
            start += 1 << level
        return _folded(nodes)

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that ``leaf`` is leaf ``index`` of the ``size`` with this root. Raises BadProof."""
    if not 0 <= index < size:
        raise BadProof(f"leaf {index} can't be among {size}")
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the proof is too long")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            node, last = _up_to_right(node, last)
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProof("the proof is too short")
    if current != root:
        raise BadProof(f"leaf {index} is not in the tree of {size} leaves with this root")


def check_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    """Check that the tree of ``first`` leaves begins the one of ``second``. Raises BadProof."""
    if not 0 <= first <= second:
        raise BadProof(f"{first} leaves can't begin {second}")
    if first in (0, second):
        if proof:
            raise BadProof("the proof is too long")
        if first_root != (second_root if first == second else EMPTY_ROOT):
            raise BadProof(f"the tree of {first} leaves has another root")
        return
    path = list(proof)
    if first & (first - 1) == 0:
        # A full tree is a node of the larger one
        path.insert(0, first_root)
    if not path:
        raise BadProof("the proof is too short")
    node, last = _up_to_left(first - 1, second - 1)
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            node, last = _up_to_right(node, last)
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise BadProof("the proof is too short")
    if (old, new) != (first_root, second_root):
        raise BadProof(f"the tree of {first} leaves does not begin the tree of {second} with this root")


def _up_to_right(node: int, last: int) -> tuple[int, int]:
    """Go up while the node has no right sibling."""
    while not node & 1 and node:
        node, last = node >> 1, last >> 1
    return node, last


def _up_to_left(node: int, last: int) -> tuple[int, int]:
    """Go up while the node is a right child."""
    while node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _levels(size: int) -> list[int]:
    """The levels of the full subtrees of a tree, the smallest first."""
    return [level for level in range(size.bit_length()) if size >> level & 1]


def _left(size: int) -> int:
    """The leaves of the left subtree: the largest power of 2 below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _parents(nodes: list[bytes]) -> list[bytes]:
    pairs = iter(nodes)
    return [sha256(_NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]


def _folded(full: Sequence[bytes]) -> bytes:
    """The root over full subtrees, the largest first."""
    if not full:
        return EMPTY_ROOT
    root = full[-1]
    for node in full[-2::-1]:
        root = node_hash(node, root)
    return root
