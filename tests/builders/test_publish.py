"""A published dataset is the dataset, and anybody can check that."""

import shutil
import subprocess

import pytest

from mosdata.builders import publish as module
from mosdata.builders.publish import publish
from mosdata.builders.verify import verify_content, verify_files
from mosdata.errors import DamagedDataset, NotEnoughSpace, OutputConflict, UsageError
from mosdata.manifests.store import content_sum, open_dataset
from mosdata.testing import utterance, write_dataset


@pytest.fixture
def dataset(tmp_path, corrupted):
    """A dataset of one's own."""
    return open_dataset(shutil.copytree(corrupted, tmp_path / "dataset"))


def flip(path):
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_copy_is_equal_to_the_byte(tmp_path, dataset, checksums):
    """The same files and the checksums of them, and nothing else."""
    published = publish(dataset, tmp_path / "copy")

    copied = checksums(tmp_path / "copy")
    copied.pop("checksums.sha256")
    assert checksums(dataset.folder) == copied
    assert published.num_files == len(dataset.files)
    assert published.output_terms == "open"
    verify_content(open_dataset(tmp_path / "copy"))


def test_sha256sum_can_check_a_copy(tmp_path, dataset):
    """Without us: ``sha256sum -c`` finds all files right, and a damaged one wrong."""
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    publish(dataset, tmp_path / "copy")
    command = ["sha256sum", "--check", "--strict", "--quiet", "checksums.sha256"]
    whole = subprocess.run(command, cwd=tmp_path / "copy", check=False)

    flip(tmp_path / "copy" / "README.md")
    damaged = subprocess.run(
        command, cwd=tmp_path / "copy", check=False, capture_output=True, text=True
    )

    assert whole.returncode == 0
    assert damaged.returncode == 1
    assert "README.md: FAILED" in damaged.stdout


def test_only_what_the_manifest_names_is_published(tmp_path, dataset):
    """Notes and half-made files stay at home."""
    (dataset.folder / "notes.txt").write_text("private")
    (dataset.folder / "ratings" / "stray").mkdir(parents=True)
    (dataset.folder / "ratings" / "stray" / "part.parquet").write_bytes(b"half")

    publish(dataset, tmp_path / "copy")

    names = {path.name for path in (tmp_path / "copy").rglob("*")}
    assert not names & {"notes.txt", "stray", "part.parquet"}


@pytest.mark.parametrize("harm", [flip, lambda path: path.unlink()], ids=["bit flipped", "gone"])
def test_a_damaged_dataset_is_not_published(tmp_path, dataset, harm):
    """One bit, or one file: refused, and no copy is left."""
    harm(dataset.folder / dataset.files[0].path)

    with pytest.raises(DamagedDataset, match=r"train-00000"):
        publish(dataset, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("name", ["README.md", "provenance.json"])
def test_a_dataset_without_its_papers_is_not_published(tmp_path, dataset, name):
    """Nobody should get clips without their card or their origin; the message names the file."""
    (dataset.folder / name).unlink()

    with pytest.raises(DamagedDataset, match=name):
        publish(dataset, tmp_path / "copy")

    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_rows_that_were_exchanged_are_noticed(tmp_path):
    """Checksums that were made to fit do not help: the rows have a digest of their own."""
    first = write_dataset(tmp_path / "first", {"train": [utterance(0)]})
    other = write_dataset(tmp_path / "other", {"train": [utterance(1)]})
    forged = {**other.manifest, "content_id": first.content_id}
    other.manifest = forged

    with pytest.raises(DamagedDataset, match="content id"):
        verify_content(other)

    assert content_sum(first.utterances()) != content_sum(other.utterances())


@pytest.mark.parametrize(
    ("terms", "is_free"),
    [("open", True), ("non-commercial", True), ("restricted", False), ("unknown", False)],
)
def test_terms_are_accepted_by_somebody(tmp_path, terms, is_free):
    """Restricted and unknown terms need a word; the answer says which apply."""
    rows = [utterance(0), utterance(1, output_terms=terms)]
    dataset = write_dataset(tmp_path / "dataset", {"train": rows})
    (dataset.folder / "README.md").write_text("card")
    (dataset.folder / "provenance.json").write_text("{}")

    if not is_free:
        with pytest.raises(UsageError, match=f"{terms}.*--accept-terms"):
            publish(dataset, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
    published = publish(dataset, tmp_path / "copy", accept_terms=not is_free)

    assert published.output_terms == terms


def test_publishing_again_checks_the_copy_and_copies_nothing(tmp_path, dataset):
    """The second time no file changes; a copy that was damaged since is noticed."""
    publish(dataset, tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "copy").rglob("*")}

    again = publish(dataset, tmp_path / "copy")

    assert again.was_complete
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "copy").rglob("*")}
    flip(tmp_path / "copy" / dataset.files[0].path)
    with pytest.raises(DamagedDataset, match="does not match its checksum"):
        publish(dataset, tmp_path / "copy")


def test_something_else_is_not_overwritten(tmp_path, dataset, checksums):
    """A folder with other things, a file, or another dataset."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "main.tex").write_text("mine")
    (tmp_path / "file").write_text("mine")
    write_dataset(tmp_path / "other", {"train": [utterance(0)]})
    before = checksums(tmp_path)

    for name in ("thesis", "file", "other"):
        with pytest.raises(OutputConflict, match="nothing was touched"):
            publish(dataset, tmp_path / name)

    assert before == checksums(tmp_path)


def test_a_copy_that_cannot_fit_is_not_begun(tmp_path, dataset, monkeypatch):
    """The disk is asked first."""
    from mosdata.builders import run

    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())

    with pytest.raises(NotEnoughSpace):
        publish(dataset, tmp_path / "copy")

    assert not list(tmp_path.glob(".copy*"))


def test_a_copy_that_is_interrupted_leaves_nothing(tmp_path, dataset, monkeypatch):
    """The folder appears whole or not at all."""

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_text", stop)
    with pytest.raises(KeyboardInterrupt):
        publish(dataset, tmp_path / "copy")

    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (flip, "does not match its checksum"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "bytes; the manifest says"),
    ],
    ids=["bit flipped", "gone", "cut short"],
)
def test_verify_says_which_file_is_wrong_and_how(dataset, harm, says):
    """The path, the fault and what to do."""
    harm(dataset.folder / dataset.files[1].path)

    with pytest.raises(DamagedDataset, match=says) as caught:
        verify_files(dataset)

    assert dataset.files[1].path in str(caught.value)
    assert "copy it again" in str(caught.value)
