"""Known answers are those of RFC 6962's reference implementation (google/certificate-transparency)."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.leaf import leaf_hash
from evidence.merkle import (
    EMPTY_ROOT,
    BadProof,
    Frontier,
    Tree,
    check_consistency,
    check_inclusion,
)

SIZES = range(131)
LEAVES = [leaf_hash(str(number).encode()) for number in range(130)]
VECTORS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
VECTOR_LEAVES = [leaf_hash(bytes.fromhex(vector)) for vector in VECTORS]
VECTOR_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def by_definition(leaves: list[bytes]) -> bytes:
    """The root, as section 2.1 of RFC 6962 defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return sha256(b"\1" + by_definition(leaves[:left]) + by_definition(leaves[left:])).digest()


ROOTS = [by_definition(LEAVES[:size]) for size in SIZES]
WHOLE = Tree(LEAVES)


@pytest.mark.parametrize(("size", "root"), list(enumerate(VECTOR_ROOTS)))
def test_roots_are_those_of_the_reference_implementation(size: int, root: str) -> None:
    assert Tree(VECTOR_LEAVES).root(size).hex() == root
    assert Tree(VECTOR_LEAVES[:size]).root().hex() == root


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_inclusion_proofs_are_those_of_the_reference_implementation(index, size, proof) -> None:
    assert [node.hex() for node in Tree(VECTOR_LEAVES).inclusion(index, size)] == proof


@pytest.mark.parametrize(
    ("first", "second", "proof"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_consistency_proofs_are_those_of_the_reference_implementation(first, second, proof) -> None:
    assert [node.hex() for node in Tree(VECTOR_LEAVES).consistency(first, second)] == proof


def test_the_roots_of_all_sizes_are_those_of_the_definition() -> None:
    assert [WHOLE.root(size) for size in SIZES] == ROOTS
    frontier, roots = Frontier(), [EMPTY_ROOT]
    for leaf in LEAVES:
        frontier.add([leaf])
        roots.append(frontier.root())
    assert roots == ROOTS


def test_each_leaf_of_each_size_is_proved_and_no_other_leaf_is() -> None:
    for size in SIZES:
        for index in range(size):
            proof = WHOLE.inclusion(index, size)
            check_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
            for wrong in (
                (LEAVES[index - 1] if size > 1 else b"\0" * 32, index, size, proof),
                (LEAVES[index], index, size, [*proof, LEAVES[0]]),
                (LEAVES[index], size, size, proof),
            ):
                with pytest.raises(BadProof):
                    check_inclusion(*wrong, ROOTS[size])


def test_each_size_is_proved_to_begin_each_larger_one_and_no_other_tree_is() -> None:
    for second in SIZES:
        for first in range(second + 1):
            proof = WHOLE.consistency(first, second)
            check_consistency(first, second, proof, ROOTS[first], ROOTS[second])
            with pytest.raises(BadProof):
                check_consistency(first, second, proof, LEAVES[129], ROOTS[second])
            with pytest.raises(BadProof):
                check_consistency(first, second, [*proof, LEAVES[0]], ROOTS[first], ROOTS[second])
            if 0 < first < second:
                with pytest.raises(BadProof):
                    check_consistency(first, second, proof, ROOTS[first], LEAVES[129])
                with pytest.raises(BadProof):
                    check_consistency(first, second, proof[:-1], ROOTS[first], ROOTS[second])


@given(st.lists(st.integers(0, 40), max_size=8))
def test_leaves_may_come_in_pieces_of_any_size(pieces: list[int]) -> None:
    tree, frontier, size = Tree(), Frontier(), 0
    for piece in pieces:
        new = LEAVES[size : size + piece]
        tree.add(new)
        frontier.add(iter(new))
        size = min(size + piece, len(LEAVES))
        # As after a restart
        frontier = Frontier(frontier.size, frontier.hashes)
    assert (len(tree), frontier.size) == (size, size)
    assert tree.root() == frontier.root() == ROOTS[size]


@given(st.data())
def test_a_changed_leaf_has_no_proof(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 130))
    index, victim = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    changed = [*LEAVES[:victim], leaf_hash(b"changed"), *LEAVES[victim + 1 : size]]
    forged = Tree(changed)
    assert forged.root() != ROOTS[size]
    with pytest.raises(BadProof):
        check_inclusion(changed[index], index, size, forged.inclusion(index), ROOTS[size])
    if victim < index:
        with pytest.raises(BadProof):
            check_consistency(index, size, forged.consistency(index), ROOTS[index], forged.root())


def test_what_is_not_in_the_tree_is_an_error() -> None:
    tree = Tree(LEAVES[:5])
    for wrong in (
        lambda: tree.root(6),
        lambda: tree.inclusion(5),
        lambda: tree.inclusion(-1),
        lambda: tree.inclusion(0, 6),
        lambda: tree.consistency(4, 6),
        lambda: tree.consistency(5, 4),
        lambda: Frontier(5, LEAVES[:3]),
    ):
        with pytest.raises(ValueError, match=r"leaf|leaves"):
            wrong()
    with pytest.raises(IndexError):
        tree.leaf(5)
    assert tree.leaf(4) == LEAVES[4]
