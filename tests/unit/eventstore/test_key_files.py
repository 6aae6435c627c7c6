from pathlib import Path

import click
import pytest

from eventstore.key_files import BadKeyFile, add_key, read_keys, read_public_keys
from evidence.note import BadNote, open_note, sign
from foundation.settings import Settings
from notary.cli import notary
from notary.keys import key_file
from producer.commands.gateway import gateway
from producer.imports.command import import_
from tests.support.library.command_runner import run_command


def test_a_new_key_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "data" / "notary.key"
    signer = add_key(file, "library.example")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.verifier.text for one in read_keys(file)] == [signer.verifier.text]
    assert signer.verifier.text.startswith("library.example+")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "notary.key"
    add_key(file, "test")
    file.chmod(mode)
    with pytest.raises(BadKeyFile, match=rf"mode 0{mode:o}\): `chmod 600"):
        read_keys(file)
    with pytest.raises(BadKeyFile, match="chmod"):
        add_key(file, "test")


@pytest.mark.parametrize("content", ["", "no key\n", "PRIVATE+KEY+a+b+c\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "notary.key"
    file.touch(0o600)
    file.write_text(content)
    with pytest.raises(BadKeyFile, match=str(file)):
        read_keys(file)
    with pytest.raises(BadKeyFile, match="library notary --new-key"):
        read_keys(tmp_path / "missing")


def test_while_the_file_has_two_keys_both_sign(tmp_path: Path) -> None:
    file = tmp_path / "notary.key"
    old = add_key(file, "test")
    new = add_key(file, "test")
    note = sign("text\n", read_keys(file))
    assert all(open_note(note, [key.verifier]).text == "text\n" for key in (old, new))
    file.write_text(file.read_text().splitlines()[1])
    note = sign("text\n", read_keys(file))
    assert open_note(note, [new.verifier]).text == "text\n"
    with pytest.raises(BadNote):
        open_note(note, [old.verifier])


def test_the_command_makes_and_shows_keys(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), name="shelf")
    missing = run_command(notary, settings, "--show-key")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "library notary --new-key" in missing.stderr
    first = run_command(notary, settings, "--new-key")
    second = run_command(notary, settings, "--new-key", "--origin", "library.example/shelf")
    assert first.stdout.startswith("shelf+")
    assert second.stdout.startswith("library.example/shelf+")
    assert run_command(notary, settings, "--show-key").stdout == first.stdout + second.stdout
    assert "PRIVATE" not in first.stdout + second.stdout
    assert len(read_keys(key_file(settings))) == 2


def test_public_keys_may_have_comments_between_them(tmp_path: Path) -> None:
    keys = [add_key(tmp_path / name, name).verifier.text for name in ("old", "new")]
    file = tmp_path / "writers"
    file.write_text(f"# until May\n{keys[0]}\n\n# since\n{keys[1]}\n")
    assert [key.text for key in read_public_keys(file)] == keys


@pytest.mark.parametrize("content", ["", "# nobody\n", "no key\n"])
def test_a_file_without_public_keys_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "writers"
    file.write_text(content)
    with pytest.raises(BadKeyFile, match=str(file)):
        read_public_keys(file)
    with pytest.raises(BadKeyFile, match="missing"):
        read_public_keys(tmp_path / "missing")


@pytest.mark.parametrize("program", [gateway, import_])
def test_a_writer_does_not_start_with_a_key_that_others_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: click.Command
) -> None:
    file = tmp_path / "writer.key"
    add_key(file, "writer")
    file.chmod(0o644)
    monkeypatch.setenv("LIBRARY_SIGNING_KEY", str(file))
    arguments = [str(file)] if program is import_ else []
    done = run_command(program, Settings(kafka="127.0.0.1:9", data_dir=str(tmp_path)), *arguments)
    assert done.exit_code == 2
    assert "chmod 600" in done.stderr
