"""``mosdata corrupt``: what it prints can be pasted, and what it is given means what it says."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise

import numpy as np
import pytest

from mosdata.manifests.store import open_dataset
from mosdata.testing import speechlike, utterance, write_dataset

SERIAL = ("--executor", "serial", "--json")


@pytest.fixture
def dataset(workspace):
    """Six clips of two speakers."""
    from dataclasses import replace

    rows = [
        replace(
            utterance(i, speechlike(0.5, seed=i)), speaker=f"voice-{i % 2}", sentence=f"text-{i}"
        )
        for i in range(6)
    ]
    return write_dataset(workspace / "source", {"train": rows}).folder


@pytest.fixture
def sounds(workspace):
    """Noises, or rooms, in a folder."""
    return sounds_in(workspace / "sounds", seed=0)


def sounds_in(folder, *, seed):
    """Two files of noise that dies away, from its start on."""
    import soundfile

    folder.mkdir(exist_ok=True)
    for name in ("a", "b"):
        noise = np.random.default_rng([seed, ord(name)]).standard_normal(8_000)
        soundfile.write(
            folder / f"{name}.wav", 0.1 * noise * np.exp(-np.arange(8_000) / 800), 16_000
        )
    return folder


def told(ended):
    """The JSON of a run that went well."""
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


@pytest.mark.parametrize(
    "options",
    [
        "--level 0.3333333",
        "--levels 0,0.5 --no-keep-sources",
        "--level 0.5 --no-keep-sources --seed 3",
        "--level 0.5 --kinds codec,white_noise --per-clip 2",
        "--level 0.5 --chain mp3,low_pass",
        "--level 0.5 --chain mp3,low_pass --order given",
        "--level 0.5 --chains 2 --kinds mp3,low_pass,gain",
        "--level 0.5 --snr-db 12.3456789",
        "--kinds reverb --param rt60_s=0.5 --param drr_db=3",
        "--chain low_pass,white_noise --cutoff-hz 1000 --snr-db 10",
        "--level 1 --kinds background_noise --noise FOLDER",
        "--level 1 --kinds impulse_response --impulse-responses FOLDER",
        "--level 1 --kinds \"am:ApplyImpulseResponse(ir_path='sounds/a.wav')\"",
        "--level 1 --chain 'low_pass,am:Gain(min_gain_db=-6.0,max_gain_db=-3.0)'",
    ],
)
def test_the_command_on_the_card_makes_the_same_again(mosdata, dataset, sounds, options):
    """As it is pasted from the README of the dataset into a shell."""
    given = [sounds if word == "FOLDER" else word for word in shlex.split(options)]
    first = told(mosdata("corrupt", dataset, *given, "--out", "first", *SERIAL))
    card = (dataset.parent / "first" / "README.md").read_text("utf-8")
    command = re.search(r"^mosdata corrupt DATASET(?:.*\\\n)*.*", card, re.MULTILINE)
    words = shlex.split(command.group().replace("\\\n", " "))
    places = {"DATASET": dataset, "FOLDER": sounds}
    again = [places.get(word, word) for word in words[1:]]
    second = told(mosdata(*again, "--out", "second", "--no-reuse", *SERIAL))

    assert first["dataset_id"] == second["dataset_id"]
    assert first["num_rows"] > 0


def test_what_changes_no_sample_changes_no_dataset(mosdata, dataset, sounds):
    """Another spelling of a chain, a folder of which nothing is heard, a share of no kinds."""

    def made(*options):
        corrupt = ("corrupt", dataset, "--level", "0.5", "--dry-run", "--json")
        return told(mosdata(*corrupt, *options))["plan_id"]

    chain = made("--chain", "low_pass,mp3")
    assert chain == made("--chain", "mp3,low_pass")
    assert chain == made("--chain", "low_pass,mp3", "--order", "given")
    assert chain == made("--chain", "low_pass,mp3", "--per-clip", "3")
    assert chain != made("--chain", "mp3,low_pass", "--order", "given")
    kinds = made("--kinds", "mp3,gain")
    assert kinds == made("--kinds", "mp3,gain", "--noise", sounds)
    assert kinds == made("--kinds", "mp3,gain", "--order", "given")


def test_what_to_do_next_names_the_dataset(mosdata, dataset):
    """Quoted, where its name has a space; and says how many there are of what."""
    ended = mosdata(
        *("corrupt", dataset, "--level", "0.5", "--out", "in two words", "--executor", "serial"),
        "--no-keep-sources",
    )

    assert "Next: mosdata train moe 'in two words'" in ended.err
    assert "sources included" not in ended.err


def test_every_link_of_a_chain_takes_its_value(mosdata, dataset):
    """Without any level; a value of no link is refused, and a link without one named."""
    chain = ("corrupt", dataset, "--chain", "low_pass,white_noise", "--out", "out", *SERIAL)
    told(mosdata(*chain, "--cutoff-hz", "1000", "--snr-db", "10"))
    copies = [row for row in open_dataset("out").utterances() if row.corruptions]

    assert len(copies) == 6
    for copy in copies:
        values = {name: value for one in copy.corruptions for name, value in one.params.items()}
        assert (values["cutoff_hz"], values["snr_db"]) == (1000, 10)
    no_value = mosdata(*chain, "--snr-db", "10")
    assert no_value.code == 2
    assert "low_pass has cutoff_hz" in " ".join(no_value.err.split())


def test_no_more_chains_than_there_are(mosdata, refused, dataset):
    """Two kinds make one chain; three make four, and each clip gets them all."""
    corrupt = ("corrupt", dataset, "--level", "0.5", "--kinds")
    assert "0 to 1 with 2 kinds" in refused(*corrupt, "mp3,gain", "--chains", "2")
    assert "0 to 1000" in refused(*corrupt, "all", "--chains", "100000000")
    planned = told(mosdata(*corrupt, "mp3,gain,mnru", "--chains", "4", "--dry-run", "--json"))
    made = told(mosdata(*corrupt, "mp3,gain,mnru", "--chains", "4", "--out", "out", *SERIAL))

    assert planned["num_clips"] == made["num_rows"] == 6 * 5


def test_a_file_of_another_content_is_another_dataset(mosdata, dataset, sounds):
    """Nothing is taken over of a transform that opens files, once one of them has changed."""
    kinds = ("--level", "1", "--kinds", "am:AddBackgroundNoise(sounds_path='sounds')")
    first = told(mosdata("corrupt", dataset, *kinds, "--out", "first", *SERIAL))
    same = told(mosdata("corrupt", dataset, *kinds, "--out", "same", *SERIAL))
    sounds_in(sounds, seed=1)
    other = told(mosdata("corrupt", dataset, *kinds, "--out", "other", *SERIAL))

    assert first["dataset_id"] == same["dataset_id"]
    assert other["plan_id"] != first["plan_id"]
    assert {
        row.pcm_sha256 for row in open_dataset("other").utterances() if row.parent_id
    }.isdisjoint(row.pcm_sha256 for row in open_dataset("first").utterances())


def test_copies_alone_have_nobody_to_talk_over_them(mosdata, dataset):
    """The kind is left out with a note, and named alone it is refused; no clip is lost for it."""
    mild = ("--level", "0.5", "--kinds", "mp3", "--no-keep-sources", "--out", "copies", *SERIAL)
    told(mosdata("corrupt", dataset, *mild))
    alone = mosdata("corrupt", "copies", "--level", "0.5", "--kinds", "overlap", *SERIAL)
    both = mosdata(
        *("corrupt", "copies", "--level", "0.5", "--kinds", "overlap,gain", "--per-clip", "0"),
        *("--out", "out", *SERIAL),
    )

    assert alone.code == 2
    assert "among the clean clips" in " ".join(alone.err.split())
    assert told(both)["num_rejected"] == 0
    assert "overlap was left out" in " ".join(both.err.split())


def test_reasons_come_along_with_scores(mosdata, dataset, workspace):
    """A corpus whose import put a clip aside is whole after corrupt, too."""
    import soundfile

    audio = workspace / "audio"
    audio.mkdir()
    for i in range(4):
        soundfile.write(audio / f"c{i}.wav", speechlike(0.5, seed=i).samples, 16_000)
    soundfile.write(
        audio / "broken.wav", np.full(8_000, np.nan, np.float32), 16_000, subtype="FLOAT"
    )
    rows = [f"{name},{rater},4" for name in ("c0", "c1", "c2", "c3", "broken") for rater in "ab"]
    (workspace / "r.csv").write_text("\n".join(["clip_id,rater,score", *rows]), "utf-8")
    imported = told(mosdata("import", "r.csv", "--audio", audio, "--out", "rated", *SERIAL))
    made = told(
        mosdata("corrupt", "rated", "--level", "0.5", "--kinds", "mp3", "--out", "out", *SERIAL)
    )
    verified = mosdata("verify", "out", "--json")

    assert imported["num_rejected"] == 1
    assert made["num_rejected"] == 0
    assert verified.code == 0, verified.err
    reasons = [row["reason"] for row in open_dataset("out").quarantined(["reason"])]
    assert reasons == [row["reason"] for row in open_dataset("rated").quarantined(["reason"])]


def test_names_of_a_ladder_are_its_own(mosdata, dataset, sounds, workspace):
    """A page stays in ./out whatever path a transform opens; every step has a file."""
    kind = f"am:ApplyImpulseResponse(ir_path='../{workspace.name}/sounds/a.wav')"
    shown = told(mosdata("ladder", kind, dataset, "--metrics", "", "--json"))
    close = told(
        mosdata(
            *("ladder", "mp3", dataset, "--levels", "0.1001,0.1004", "--metrics", "", "--json"),
            *("--wavs", "wavs"),
        )
    )

    assert (workspace / shown["page"]).parent == workspace / "out"
    assert len({*close["wavs"]}) == 2
    assert all(a < b for a, b in pairwise(close["wavs"]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--max-quarantine", "lots"), "lots"),
        (("--reuse", "nowhere"), "nowhere"),
        (("--reuse", "dataset", "--no-reuse"), "either --reuse or --no-reuse"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would_refuse(mosdata, dataset, tmp_path, options, said):
    """Before anything is made, and where nothing is to be made."""
    texts = tmp_path / "texts.txt"
    texts.write_text("One text.\n", encoding="utf-8")
    corrupt = ("corrupt", dataset, "--level", "0.5", "--dry-run")
    build = ("build", "--transcripts", texts, "--systems", "espeak-klatt", "--dry-run")

    for command in (corrupt, build):
        assert mosdata(*command).code == 0
        refused = mosdata(*command, *options)
        assert refused.code == 2
        assert said in refused.err
