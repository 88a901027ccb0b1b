"""A published dataset is the dataset, and anybody can check that."""

import json
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest

from mosdata.builders import card_plots, recut
from mosdata.builders import papers as papers_module
from mosdata.builders import publish as module
from mosdata.builders.card import merged, write_card
from mosdata.builders.publish import outlook, publish
from mosdata.builders.verify import (
    open_to_verify,
    verify_content,
    verify_dataset,
    verify_files,
)
from mosdata.errors import DamagedDataset, NotEnoughSpace, OutputConflict, UsageError
from mosdata.manifests.store import content_sum, open_dataset
from mosdata.testing import clip, human_ratings, utterance, write_dataset


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Figures take most of the time; the tests that look at them draw them."""
    monkeypatch.setattr(papers_module, "can_draw", lambda: False)


@pytest.fixture
def figures(monkeypatch):
    """Draw, though."""
    monkeypatch.setattr(papers_module, "can_draw", lambda: True)


@pytest.fixture
def dataset(tmp_path, corrupted):
    """A dataset of one's own."""
    return open_dataset(shutil.copytree(corrupted, tmp_path / "dataset"))


@pytest.fixture
def papered():
    """Make a dataset by hand, with the papers that a build would write."""

    def make(folder, rows, ratings=(), provenance=None):
        dataset = write_dataset(folder, rows, ratings)
        (folder / "provenance.json").write_text(json.dumps(provenance or {}))
        write_card(dataset)
        return dataset

    return make


def flip(path):
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def sounds(dataset):
    """The audio of each clip, as it is in the file."""
    return {row.id: row.audio for row in dataset.utterances()}


def test_a_copy_has_the_rows_the_sound_and_the_content_id(tmp_path, dataset):
    """Files are cut anew; what is in them stays, to the byte of the audio, in the same order."""
    published = publish(dataset, tmp_path / "copy")

    copied = open_dataset(tmp_path / "copy")
    assert dataset.content_id == copied.content_id == published.content_id
    assert list(sounds(dataset).items()) == list(sounds(copied).items())
    assert list(dataset.utterances()) == list(copied.utterances())
    assert copied.manifest["cut_from"] == {"dataset_id": dataset.dataset_id}
    assert published.output_terms == "open"
    assert verify_dataset(copied).problems == ()


def test_the_same_dataset_gives_the_same_bytes(tmp_path, dataset, checksums, figures):
    """Published twice, to two places: the same files."""
    publish(dataset, tmp_path / "one")
    publish(dataset, tmp_path / "two")

    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")


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


def test_every_file_of_a_copy_has_its_checksum(tmp_path, dataset, checksums):
    """With Arrow files as without: nothing is left out but the list itself."""
    publish(dataset, tmp_path / "copy", arrow=True)

    found = checksums(tmp_path / "copy")
    found.pop("checksums.sha256")
    lines = (tmp_path / "copy" / "checksums.sha256").read_text().splitlines()
    assert found == {line[66:]: line[:64] for line in lines}


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
def test_terms_are_accepted_by_somebody(tmp_path, papered, terms, is_free):
    """Restricted and unknown terms need a word; the answer says whose they are."""
    rows = [utterance(0), utterance(1, output_terms=terms, system="voicebox")]
    dataset = papered(tmp_path / "dataset", {"train": rows})

    if not is_free:
        with pytest.raises(UsageError, match=rf"voicebox \({terms}, .*--accept-terms") as caught:
            publish(dataset, tmp_path / "copy")
        assert "tone" not in str(caught.value)
        assert not (tmp_path / "copy").exists()
        assert len(outlook(dataset).closed_systems) == 1
    published = publish(dataset, tmp_path / "copy", accept_terms=not is_free)

    assert published.output_terms == terms


def test_publishing_again_checks_the_copy_and_copies_nothing(tmp_path, dataset, figures):
    """The second time no file changes; a copy that was damaged since is noticed."""
    publish(dataset, tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "copy").rglob("*")}

    again = publish(dataset, tmp_path / "copy")

    assert again.was_complete
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "copy").rglob("*")}
    flip(tmp_path / "copy" / "data" / "train-00000-of-00001.parquet")
    with pytest.raises(DamagedDataset, match="does not match its checksum"):
        publish(dataset, tmp_path / "copy")


def test_damage_in_arrow_files_is_not_vouched_for(tmp_path, dataset):
    """Publishing again writes checksums anew, but not over files that have changed since."""
    publish(dataset, tmp_path / "copy", arrow=True)
    flip(tmp_path / "copy" / "train" / "data-00000-of-00001.arrow")

    with pytest.raises(DamagedDataset, match=r"data-00000-of-00001\.arrow"):
        publish(dataset, tmp_path / "copy", arrow=True)


def test_something_else_is_not_overwritten(tmp_path, dataset, checksums):
    """A folder with other things, a file, another dataset, or the dataset itself."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "main.tex").write_text("mine")
    (tmp_path / "file").write_text("mine")
    write_dataset(tmp_path / "other", {"train": [utterance(0)]})
    before = checksums(tmp_path)

    for name in ("thesis", "file", "other", "dataset"):
        with pytest.raises(OutputConflict, match="nothing was touched"):
            publish(dataset, tmp_path / name)

    assert before == checksums(tmp_path)


def test_a_copy_with_other_ratings_is_said_to_be_one(tmp_path, papered):
    """Scores that came later do not slip into a copy that somebody may have handed on."""
    rows = {"train": [utterance(0)]}
    papered(tmp_path / "bare", rows)
    publish(open_dataset(tmp_path / "bare"), tmp_path / "copy")
    rated = papered(tmp_path / "rated", rows, human_ratings(utterance(0).id, [4]))

    assert open_dataset(tmp_path / "bare").dataset_id == rated.dataset_id
    with pytest.raises(OutputConflict, match="with other ratings"):
        publish(rated, tmp_path / "copy")


def test_a_copy_that_cannot_fit_is_not_begun(tmp_path, dataset, monkeypatch):
    """The disk is asked first."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())

    with pytest.raises(NotEnoughSpace):
        publish(dataset, tmp_path / "copy")

    assert not list(tmp_path.glob(".copy*"))


def test_a_copy_that_is_interrupted_leaves_nothing(tmp_path, dataset, monkeypatch):
    """The folder appears whole or not at all."""

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_checksums", stop)
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


# --- files of even size ---


@pytest.fixture
def many():
    """Rows of very different size."""
    return [utterance(i, clip(0.1 + 2.0 * (i % 7 == 0), seed=i)) for i in range(40)]


@pytest.mark.parametrize("target_bytes", [60_000, 200_000, 10_000_000])
def test_files_are_of_even_size(tmp_path, many, target_bytes):
    """As many files as the target asks for; none far from the mean; rows in order."""
    dataset = write_dataset(tmp_path / "in", {"train": many})

    made = recut.place_split(dataset, "train", tmp_path / "out", target_bytes=target_bytes)

    sizes = [file.bytes for file in made]
    assert len(made) == recut.num_files_for(dataset.files[0].bytes, target_bytes=target_bytes)
    assert max(sizes) - min(sizes) < 120_000  # a file ends with the row that fills it
    tables = [pq.read_table(tmp_path / "out" / file.path) for file in made]
    assert [row.id for row in many] == [i for table in tables for i in table["id"].to_pylist()]
    assert sum(file.rows for file in made) == len(many)


def test_the_way_rows_lay_before_does_not_show(tmp_path, many, monkeypatch):
    """Many small files or few: cut anew, they are the same to the byte."""
    monkeypatch.setattr(recut, "is_even", lambda *_, **__: False)
    one = write_dataset(tmp_path / "one", {"train": many})
    small = _in_files(tmp_path / "small", many, 7)

    cut = [recut.place_split(d, "train", tmp_path / d.folder.name / "out") for d in (one, small)]

    assert [file.sha256 for file in cut[0]] == [file.sha256 for file in cut[1]]


def _in_files(folder, rows, per_file):
    """The rows of one split in files of a few rows each."""
    from dataclasses import asdict

    from mosdata.manifests.schema import clips_table
    from mosdata.manifests.store import ParquetRows, describe_file, write_manifest

    whole = write_dataset(folder, {"train": rows})
    parts = [rows[i : i + per_file] for i in range(0, len(rows), per_file)]
    files = []
    for number, part in enumerate(parts):
        path = folder / "data" / f"train-{number:05d}-of-{len(parts) + 1:05d}.parquet"
        writer = ParquetRows(path, whole.schema)
        writer.write(clips_table(part, whole.schema))
        writer.close()
        files.append(asdict(describe_file(folder, path, split="train", rows=len(part))))
    (folder / whole.files[0].path).unlink()
    write_manifest(folder, {**whole.manifest, "data": files})
    return open_dataset(folder)


def test_even_files_are_left_as_they_are(tmp_path, papered, checksums):
    """One file a split is copied to the byte, and the dataset keeps its id."""
    dataset = papered(tmp_path / "in", {"train": [utterance(0)], "test": [utterance(1)]})

    published = publish(dataset, tmp_path / "copy")

    before, after = checksums(dataset.folder), checksums(tmp_path / "copy")
    same = ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", "mosdata.json")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert published.dataset_id == dataset.dataset_id


def test_row_groups_are_small_enough_for_the_viewer(tmp_path, many, monkeypatch):
    """A row group holds no more bytes than allowed, whatever the rows."""
    monkeypatch.setattr(recut, "TARGET_GROUP_BYTES", 100_000)
    monkeypatch.setattr(recut, "is_even", lambda *_, **__: False)
    dataset = write_dataset(tmp_path / "in", {"train": many})

    (made,) = recut.place_split(dataset, "train", tmp_path / "out")

    metadata = pq.read_metadata(tmp_path / "out" / made.path)
    groups = [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)]
    assert len(groups) > 1
    assert max(groups) < 120_000


def test_small_rating_files_become_one(tmp_path, papered):
    """The same scores in the same order; the set says what it was made from."""
    scores = human_ratings(utterance(0).id, [1, 2, 3])
    dataset = papered(tmp_path / "in", {"train": [utterance(0)]}, scores)
    entry = {**dataset.manifest["ratings"][0]}
    entry["files"] = entry["files"] * 2

    placed = recut.place_ratings(dataset, entry, tmp_path / "out")

    (file,) = placed["files"]
    values = pq.read_table(tmp_path / "out" / file["path"])["value"].to_pylist()
    assert [1.0, 2.0, 3.0] * 2 == values
    assert placed["cut_from"] == [one["sha256"] for one in entry["files"]]


# --- mixed rates, and no audio at all ---


def test_mixed_rates_and_ratings_without_audio(tmp_path, papered):
    """Clips at their own rates, and rows that have only scores: published, and read back."""
    from datasets import Audio, load_dataset

    silent = utterance(
        2, audio=None, sample_rate_hz=0, num_samples=0, duration_s=0.0, pcm_sha256=""
    )
    silent = _without_audio(silent)
    rows = [utterance(0, clip(0.3, 8_000)), utterance(1, clip(0.3, 48_000)), silent]
    dataset = papered(tmp_path / "in", {"train": rows}, human_ratings(silent.id, [3, 4]))
    publish(dataset, tmp_path / "copy")

    loaded = load_dataset(str(tmp_path / "copy"), split="train", cache_dir=str(tmp_path / "cache"))

    assert verify_dataset(open_to_verify(tmp_path / "copy")).problems == ()
    assert loaded.features["audio"] == Audio()
    assert loaded.cast_column("audio", Audio(decode=False))[2]["audio"] is None
    assert [8_000, 48_000, 0] == loaded["sample_rate_hz"][:]
    assert "1 rows have no audio" in (tmp_path / "copy" / "README.md").read_text()


def _without_audio(row):
    from dataclasses import replace

    return replace(row, audio=b"")


# --- Arrow files ---


def test_load_from_disk_reads_the_arrow_files(tmp_path, dataset):
    """The same rows and features as the Parquet files, without a decoder."""
    from datasets import Audio, load_from_disk

    publish(dataset, tmp_path / "copy", arrow=True)

    loaded = load_from_disk(str(tmp_path / "copy"))

    plain = {name: part.cast_column("audio", Audio(decode=False)) for name, part in loaded.items()}
    found = {row["id"]: row["audio"]["bytes"] for part in plain.values() for row in part}
    assert sounds(dataset) == found
    assert loaded["train"].features["synthesizer"].names == dataset.class_names
    assert loaded["train"].features["audio"] == Audio(sampling_rate=dataset.sample_rate_hz)


def test_load_dataset_still_takes_the_parquet_files(tmp_path, dataset):
    """Both layouts lie in one folder, and neither is taken for the other."""
    from datasets import load_dataset

    publish(dataset, tmp_path / "copy", arrow=True)

    loaded = load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))

    assert dataset.num_rows == sum(part.num_rows for part in loaded.values())


# --- the card ---


def test_the_card_tells_what_a_stranger_needs(tmp_path, dataset):
    """Every section, with numbers of this dataset."""
    publish(dataset, tmp_path / "copy")
    copied = open_dataset(tmp_path / "copy")
    text = (tmp_path / "copy" / "README.md").read_text()

    wanted = [
        copied.dataset_id,
        copied.content_id,
        dataset.manifest["plan_id"],
        "mosdata corrupt DATASET",
        "--levels 0.3,0.9",
        "- seed 0",
        "| 20 `tone` | `tone` |",
        "CC0-1.0",
        "All 6 sentences keep to one split",
        "None: no person and no metric",
        "## Limitations",
        "## Not for",
        "@misc{mosdata_",
        "load_dataset(",
        'license: "cc0-1.0"',
    ]
    assert [] == [words for words in wanted if words not in text]


def test_the_card_counts_scores_votes_and_quarantine(tmp_path, papered):
    """People's scores with their raters, votes and scale."""
    scores = human_ratings(utterance(0).id, [2, 3, 4])
    dataset = papered(tmp_path / "in", {"train": [utterance(0)]}, scores)

    publish(dataset, tmp_path / "copy")

    text = (tmp_path / "copy" / "README.md").read_text()
    assert "| `human` | people | mos | `acr_1_5` | 3 | 1 | 3 | 3 | 3.00 | `test` |" in text


def test_edits_by_hand_survive(tmp_path, dataset):
    """Text and metadata outside the marks stay, in the dataset and in a copy published again."""
    card = dataset.folder / "README.md"
    text = card.read_text().replace("---\n", "---\npretty_name: Birch canoe\n", 1)
    card.write_text(f"{text}\nWritten by us, in Brno.\n")
    publish(dataset, tmp_path / "copy")
    copy = tmp_path / "copy" / "README.md"
    copy.write_text(f"{copy.read_text()}\nAnd later, in Graz.\n")

    again = publish(dataset, tmp_path / "copy")

    kept = copy.read_text()
    assert again.was_complete
    assert "Written by us, in Brno." in kept
    assert kept.endswith("And later, in Graz.\n")
    assert kept.count("pretty_name:") == 1
    assert "pretty_name: Birch canoe" in kept
    assert verify_dataset(open_to_verify(tmp_path / "copy")).problems == ()


def test_a_card_without_marks_is_kept_whole():
    """Somebody's own README is not taken for ours; ours comes after it, once."""
    once = merged("# Mine\n\nAll of it.\n", ["license: mit"], "Ours.")
    twice = merged(once, ["license: mit"], "Ours.")

    assert once == twice
    assert "# Mine\n\nAll of it.\n" in once
    assert once.count("Ours.") == 1


def test_a_mark_without_its_partner_costs_nothing():
    """Whoever deletes one of the marks loses no text of theirs."""
    whole = merged("Mine above.\n", [], "Ours.") + "Mine below.\n"
    broken = "\n".join(line for line in whole.splitlines() if "mosdata: end;" not in line)

    again = merged(broken, [], "Ours anew.")

    assert "Mine above." in again
    assert "Mine below." in again
    assert "Ours anew." in again


def test_a_licence_of_ones_own_replaces_ours_whole():
    """A key in the metadata that somebody wrote drops what belongs to it."""
    ours = ['license: "other"', 'license_name: "x"', "license_link: y", "tags:", '- "mos"']

    text = merged("---\nlicense: cc-by-4.0\n---\n", ours, "Ours.")

    assert "license_name" not in text
    assert 'license: "other"' not in text
    assert '- "mos"' in text


def test_figures_are_files_that_the_card_shows(tmp_path, dataset, figures):
    """Each is SVG by itself, with its colours, and equal inputs give equal bytes."""
    from xml.etree import ElementTree as ET

    publish(dataset, tmp_path / "copy")

    text = (tmp_path / "copy" / "README.md").read_text()
    drawn = sorted((tmp_path / "copy" / "card").glob("*.svg"))
    assert ["durations.svg", "systems.svg"] == [path.name for path in drawn]
    for path in drawn:
        assert f"(card/{path.name})" in text
        svg = path.read_text()
        assert ET.fromstring(svg).tag.endswith("svg")
        assert "--series-0:#" in svg


def test_without_matplotlib_the_card_says_so(tmp_path, dataset):
    """No figures, the line that brings them, and all the rest."""
    publish(dataset, tmp_path / "copy")

    text = (tmp_path / "copy" / "README.md").read_text()
    assert card_plots.LACKING in text
    assert not (tmp_path / "copy" / "card").exists()


def test_citations_of_what_is_inside_come_along(tmp_path, papered):
    """Wherever a source put its citation in the provenance: card and CITATION.cff have it."""
    import yaml

    provenance = {"parent": {"corpus": {"citation": "@misc{corpus, title={A: corpus}}"}}}
    dataset = papered(tmp_path / "in", {"train": [utterance(0)]}, provenance=provenance)

    publish(dataset, tmp_path / "copy")

    citation = yaml.safe_load((tmp_path / "copy" / "CITATION.cff").read_text())
    assert "@misc{corpus" in (tmp_path / "copy" / "README.md").read_text()
    assert "@misc{corpus" in citation["abstract"]
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "dataset")


def test_a_citation_of_ones_own_stays(tmp_path, dataset):
    """Names that somebody put into CITATION.cff are not overwritten."""
    publish(dataset, tmp_path / "copy")
    (tmp_path / "copy" / "CITATION.cff").write_text("cff-version: 1.2.0\ntitle: Ours\n")

    publish(dataset, tmp_path / "copy")

    assert "title: Ours" in (tmp_path / "copy" / "CITATION.cff").read_text()


def test_mixed_licences_are_listed_and_conflicts_named(tmp_path, papered):
    """No single licence: ``other`` with a link, every licence, and what stands against what."""
    import yaml

    rows = [utterance(0, license="CC-BY-SA-4.0"), utterance(1, license="CC-BY-NC-4.0")]
    dataset = papered(tmp_path / "in", {"train": rows})

    published = publish(dataset, tmp_path / "copy")

    front = yaml.safe_load((tmp_path / "copy" / "README.md").read_text().split("---\n")[1])
    licences = (tmp_path / "copy" / "LICENSE.md").read_text()
    assert published.license == "other"
    assert (front["license"], front["license_name"]) == ("other", "several-licences")
    assert (tmp_path / "copy" / front["license_link"]).is_file()
    assert "No licence of the two says both." in licences
    assert {"CC-BY-SA-4.0", "CC-BY-NC-4.0"} <= {
        *licences.replace("[", " ").replace("]", " ").split()
    }
