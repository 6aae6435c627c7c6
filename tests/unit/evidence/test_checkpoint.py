import pytest

from evidence.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    Origin,
    filed,
    notes_of,
    open_checkpoint,
    parse_checkpoint,
    parse_origin,
)
from evidence.merkle import EMPTY_ROOT
from evidence.note import BadNote, Signer, Unsigned, new_key

SIGNER = Signer(new_key("library.example/notary"))
CHECKPOINT = Checkpoint("library.example/cluster/topic/3", 8, bytes(range(32)))


def test_a_checkpoint_is_origin_size_and_root_each_on_a_line() -> None:
    note = CHECKPOINT.signed([SIGNER])
    text, _, signature = note.partition("\n\n")
    assert text == "library.example/cluster/topic/3\n8\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert signature.startswith("\u2014 library.example/notary ")
    assert open_checkpoint(note, [SIGNER.verifier]) == CHECKPOINT


def test_further_lines_are_signed_and_kept() -> None:
    extended = Checkpoint("origin", 0, EMPTY_ROOT, ("one", "two"))
    assert open_checkpoint(extended.signed([SIGNER]), [SIGNER.verifier]) == extended


def test_a_checkpoint_of_another_key_is_not_opened() -> None:
    with pytest.raises(Unsigned):
        open_checkpoint(CHECKPOINT.signed([SIGNER]), [Signer(new_key("library.example/notary")).verifier])


def test_a_checkpoint_of_another_size_is_not_opened() -> None:
    with pytest.raises(BadNote):
        open_checkpoint(CHECKPOINT.signed([SIGNER]).replace("\n8\n", "\n7\n"), [SIGNER.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n8\n",
        "origin\n08\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n-8\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n8\nAAECAwQF\n",
        "origin\n8\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
        "origin\n8\nno base64\n",
        "\n8\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n8\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\nmore\n",
        "origin\n8\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ],
)
def test_other_texts_are_no_checkpoints(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_checkpoint(text)


def test_an_origin_names_cluster_topic_and_partition() -> None:
    origin = Origin("library.example/inventory", "MkU3OEVBNTcwNTJENDM2Qk", "x1_-y", 12)
    assert str(origin) == "library.example/inventory/MkU3OEVBNTcwNTJENDM2Qk/x1_-y/12"
    assert parse_origin(str(origin)) == origin


@pytest.mark.parametrize("text", ["", "a/b/3", "a/b/c/", "a/b/c/x", "a//c/3", "/b/c/3", "a/b/c/03"])
def test_other_texts_are_no_origins(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_origin(text)


def test_a_file_of_checkpoints_that_ends_anywhere_has_its_whole_notes() -> None:
    notes = [Checkpoint("origin", size, EMPTY_ROOT).signed([SIGNER]) for size in range(3)]
    file = "".join(map(filed, notes))
    assert notes_of(file) == (notes, "")
    for length in range(len(file)):
        found, rest = notes_of(file[:length])
        assert found == notes[: len(found)]
        assert "".join(map(filed, found)) + rest == file[:length]
        assert length < len("".join(map(filed, notes[: len(found) + 1])))


def test_a_topic_id_with_slashes_has_no_slash_in_an_origin() -> None:
    origin = Origin("library.example", "cluster", "a/b+c==", 3)
    assert str(origin) == "library.example/cluster/a_b-c==/3"
    found = parse_origin(str(origin))
    assert (found.name, found.topic, found.partition) == ("library.example", "a_b-c==", 3)
    assert found.is_of("cluster", "a/b+c==")
    assert not found.is_of("cluster", "a/b+c=")
    assert not found.is_of("other", "a/b+c==")
