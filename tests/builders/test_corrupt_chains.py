"""Chains, physical values and files from folders in ``corrupt``."""

import json

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.augment.chain import apply_chain, harm
from mosdata.augment.corruptions import CORRUPTIONS, KINDS
from mosdata.augment.pool import MemoryPool
from mosdata.augment.values import kinds_with
from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.materials import Materials, find_files
from mosdata.errors import InvalidValue, NothingFound, RecordRejected, UnknownName
from mosdata.testing import speechlike, utterance, write_dataset

NOISY = [name for name, kind in CORRUPTIONS.items() if kind.needs == "noise"]


@pytest.fixture
def source(tmp_path):
    """Four clips of two voices and two texts."""
    rows = [utterance(i, speechlike(0.4, seed=i)) for i in range(4)]
    return write_dataset(tmp_path / "source", {"train": rows})


@pytest.fixture
def noises(tmp_path):
    """A folder with two noises, one of them deeper and at another rate."""
    import soundfile

    folder = tmp_path / "noises"
    (folder / "street").mkdir(parents=True)
    hiss = 0.1 * np.random.default_rng(0).standard_normal(24_000)
    soundfile.write(folder / "fan.wav", hiss, 16_000)
    soundfile.write(folder / "street" / "tram.flac", hiss, 24_000)
    return folder


def copies(outcome):
    """Corrupted rows of a result."""
    return [row for row in outcome.dataset.utterances() if row.parent_id is not None]


@pytest.mark.parametrize("order", ["physical", "given"])
def test_a_given_chain_is_what_every_copy_gets(tmp_path, source, run, order):
    """In its order or the physical one, and the rows alone make the samples again."""
    config = CorruptConfig(levels=(0.4, 0.8), chain=("mp3", "white_noise", "reverb"), order=order)

    outcome = run(CorruptStage(source, config), tmp_path / "out")

    expected = ["mp3", "white_noise", "reverb"]
    expected = expected if order == "given" else expected[::-1]
    clean = {row.id: row for row in source.utterances()}
    assert len(copies(outcome)) == 8
    for row in copies(outcome):
        assert [applied.name for applied in row.corruptions] == expected
        again = apply_chain(clean[row.parent_id].clip(), row.corruptions)
        assert np.abs(again.samples - row.clip().samples).max() <= 1 / 32768


def test_drawn_chains_differ_from_clip_to_clip_and_not_from_level_to_level(source):
    """Two to four kinds, each chain once a clip; the plan is the same when it is made again."""
    config = CorruptConfig(levels=(0.2, 0.6), kinds=("speech",), chains=3)
    plans = [
        [
            (json.dumps(record.payload["place"]), tuple(record.payload["kinds"]))
            for record in CorruptStage(source, config).records()
            if "kinds" in record.payload
        ]
        for _ in range(2)
    ]
    chains = {chain for _, chain in plans[0]}

    assert plans[0] == plans[1]
    assert len(plans[0]) == 4 * 3 * 2
    assert len({*plans[0]}) == 4 * 3
    assert all(2 <= len(chain) <= 4 and len({*chain}) == len(chain) for chain in chains)
    assert len(chains) > 4


def test_values_stand_in_the_row_and_in_the_sound(tmp_path, source, run):
    """--snr-db 30 is a ratio of 30 dB; the level on record is where the ladder has it, 1 beyond."""
    levels = {}
    for snr_db in (30.0, 10.0):
        config = CorruptConfig(kinds=("white_noise",), values={"snr_db": snr_db})
        outcome = run(CorruptStage(source, config), tmp_path / f"out-{snr_db:g}")
        (levels[snr_db],) = {row.corruptions[0].level for row in copies(outcome)}
        assert {snr_db} == {row.corruptions[0].params["snr_db"] for row in copies(outcome)}

    assert 0 < levels[30.0] < levels[10.0] == 1


def test_values_and_levels_go_together_in_a_chain(source):
    """The noise has its ratio, the codec its level."""
    config = CorruptConfig(
        levels=(0.5,), chain=("white_noise", "mp3"), values={"snr_db": 10}, keep_sources=False
    )
    payloads = [record.payload for record in CorruptStage(source, config).records()]

    assert all(payload["values"] == {"white_noise": {"snr_db": 10}} for payload in payloads)
    assert all(payload["level"] == 0.5 for payload in payloads)


def test_where_all_values_are_given_no_level_has_a_say(source):
    """One copy and not one a level; a link without its value has its levels."""
    config = CorruptConfig(
        levels=(0.1, 0.5),
        kinds=("white_noise", "mp3"),
        per_clip=0,
        values={"snr_db": 10},
        keep_sources=False,
    )
    stage = CorruptStage(source, config)
    made = [(*p["kinds"], p["level"]) for p in (record.payload for record in stage.records())]

    assert made == 4 * [("white_noise", None), ("mp3", 0.1), ("mp3", 0.5)]
    assert stage.estimate().num_records == len(made)


def test_a_group_gives_those_that_have_the_value_and_what_they_need():
    """A kind that was named stays, so that the error can say what it has."""
    assert kinds_with(["snr_db"], ["speech"]) == ("white_noise",)
    noises = kinds_with(["snr_db"], ["noise"], without=["noise"])
    assert "pink_noise" in noises
    assert not {"background_noise", "overlap"} & {*noises}
    assert kinds_with(["snr_db"], ["reverb"]) == ("reverb",)
    with pytest.raises(InvalidValue):
        kinds_with(["no_such_value"], ["all"])


def test_two_of_one_transform_are_two_of_one_kind():
    """However their arguments are spelled."""
    with pytest.raises(InvalidValue, match="once"):
        CorruptConfig(levels=(1.0,), chain=("am:Gain", "am:Gain(max_gain_db=-2,min_gain_db=-3)"))


@pytest.mark.parametrize("level", ["loud", None, True, float("nan"), -0.1, 1.5])
def test_a_level_that_is_none_is_refused(level):
    """With the same words, whatever was given."""
    with pytest.raises(InvalidValue, match="level"):
        harm(["gain"], level, speechlike(0.4), seed=0, record_id="a")


def test_another_value_is_another_copy(source):
    """Ids say what was done: other values, other ids."""
    ids = []
    for snr_db in (10, 11):
        config = CorruptConfig(kinds=("white_noise",), values={"snr_db": snr_db})
        stage = CorruptStage(source, config)
        ids.append({record.id for record in stage.records() if "kinds" in record.payload})

    assert not ids[0] & ids[1]


@pytest.mark.parametrize(
    ("config", "error", "told"),
    [
        ({"kinds": ("white_noise",), "values": {"snr": 1}}, UnknownName, "snr_db"),
        ({"kinds": ("white_noise",), "values": {"snr_db": 1e9}}, InvalidValue, "-40 to 100"),
        ({"kinds": ("low_pass",), "values": {"cutoff_hz": 9000}}, InvalidValue, "half the"),
        (
            {"kinds": ("white_noise", "mp3"), "values": {"snr_db": 1}},
            InvalidValue,
            "mp3 has bitrate_kbps",
        ),
        ({"kinds": ("background_noise",), "levels": (0.5,)}, NothingFound, "--noise FOLDER"),
    ],
)
def test_what_these_kinds_cannot_have_is_refused(source, config, error, told):
    """When it is planned, with what there is."""
    with pytest.raises(error, match=told):
        CorruptStage(source, CorruptConfig(**config))


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": (0.5,), "chain": ("mp3", "mp3")},
        {"levels": (0.5,), "chain": ("mp3",), "chains": 2},
        {"levels": (0.5,), "chains": -1},
        {},
    ],
    ids=str,
)
def test_chains_that_make_no_sense_are_refused(wrong):
    """Two of one kind, both sorts of chains, less than none, nothing at all."""
    with pytest.raises(InvalidValue):
        CorruptConfig(**wrong)


def test_what_a_group_has_and_we_have_not_is_told(source):
    """Without folders ``all`` is the rest, with a note for each that is missing."""
    stage = CorruptStage(source, CorruptConfig(levels=(0.5,), kinds=("all",), per_clip=0))
    missing = {*KINDS["all"]} - {*stage.kinds}

    assert {*NOISY} <= missing
    assert len(missing) == len(stage.notes)
    assert any("--noise FOLDER" in note for note in stage.notes)


@pytest.mark.parametrize("name", NOISY)
def test_files_are_named_in_the_plan_and_in_the_rows(tmp_path, source, noises, run, name):
    """By path within the folder; the folder itself is an input, and no part of the identity."""
    config = CorruptConfig(levels=(0.5,), kinds=(name,), noise=noises)
    stage = CorruptStage(source, config)

    outcome = run(stage, tmp_path / "out")

    identity = json.dumps(stage.spec.config)
    files = {"fan.wav", "street/tram.flac"}
    assert str(noises) not in identity
    assert files == {*stage.spec.config["files"]["noise"]}
    pool = MemoryPool({}, files={"noise": {f: Clip(*_read(noises / f)) for f in sorted(files)}})
    clean = {row.id: row for row in source.utterances()}
    for row in copies(outcome):
        assert any(value in files for value in row.corruptions[0].params.values())
        again = apply_chain(clean[row.parent_id].clip(), row.corruptions, pool=pool)
        assert np.abs(again.samples - row.clip().samples).max() <= 1 / 32768


def _read(path):
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    return samples, rate


def test_a_file_that_changed_is_not_used(noises, source):
    """The plan knows its checksum; another file of the same name is an error that says so."""
    import soundfile

    files = find_files(noises, "noise")
    pool = Materials(None, entries=[], files={"noise": files}, folders={"noise": str(noises)})
    soundfile.write(noises / "fan.wav", np.zeros(100), 16_000)

    assert ("fan.wav", "street/tram.flac") == pool.files("noise")
    assert pool.file_clip("noise", "street/tram.flac", 16_000).num_samples == 16_000
    with pytest.raises(NothingFound, match="not the file"):
        pool.file_clip("noise", "fan.wav", 16_000)
    (noises / "fan.wav").unlink()
    with pytest.raises(NothingFound, match="cannot be read"):
        pool.file_clip("noise", "fan.wav", 16_000)


def test_no_path_leaves_the_folder(tmp_path, noises, source):
    """Neither by a link that lies in it nor by a name in a plan."""
    import soundfile

    soundfile.write(tmp_path / "secret.wav", np.ones(100), 16_000)
    digest = find_files(noises, "noise")["fan.wav"]
    pool = Materials(
        None,
        entries=[],
        files={"noise": {"../secret.wav": digest}},
        folders={"noise": str(noises)},
    )
    with pytest.raises(NothingFound):
        pool.file_clip("noise", "../secret.wav", 16_000)
    (noises / "link.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(InvalidValue, match=r"link\.wav"):
        find_files(noises, "noise")


def test_folders_without_sound_are_refused(tmp_path, noises):
    """Empty, missing, or with a file that only looks like audio."""
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(NothingFound):
            find_files(folder, "noise")
    (noises / "words.wav").write_text("no audio")
    with pytest.raises(InvalidValue, match=r"words\.wav"):
        find_files(noises, "noise")


def test_a_chain_that_leaves_nothing_says_so():
    """The recording is not to blame: what was done to it before is named."""
    names = ["low_pass", "high_pass", "telephone_band"]
    values = {"low_pass": {"cutoff_hz": 30, "num_poles": 64}}
    with pytest.raises(
        RecordRejected, match="low_pass, high_pass left no speech for telephone_band"
    ):
        harm(names, 1.0, speechlike(0.5), seed=1, record_id="a", values=values, order="given")
