import gzip

from tests.support.evidence.sample import FOLDER, write_sample


def test_the_committed_sample_is_the_one_that_its_script_writes(tmp_path):
    write_sample(tmp_path)
    for name in ("checkpoints", "key"):
        assert (tmp_path / name).read_text("utf-8") == (FOLDER / name).read_text("utf-8")
    # Another zlib compresses to other bytes
    assert gzip.decompress((tmp_path / "store.backup").read_bytes()) == gzip.decompress(
        (FOLDER / "store.backup").read_bytes()
    )
