"""Metrics that compare with the clean source: PESQ and STOI."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.errors import RecordRejected
from mosdata.labels.metrics import build_metric
from mosdata.testing import clip, speechlike


@pytest.fixture(params=["pesq", "stoi"])
def metric(request):
    """Each metric that needs a source."""
    pytest.importorskip({"stoi": "pystoi"}.get(request.param, request.param))
    return build_metric(request.param)


def with_noise(speech, snr_db):
    """The same noise for every level, only louder."""
    hiss = clip(speech.duration_s, seed=9).samples
    gain = np.sqrt(np.mean(speech.samples**2) / np.mean(hiss**2)) * 10 ** (-snr_db / 20)
    return Clip(speech.samples + np.float32(gain) * hiss, speech.sample_rate_hz)


def value_of(metric, sound, source):
    """The only number."""
    (value,) = metric.score(sound, source).values()
    return value


@pytest.mark.parametrize(("name", "highest"), [("pesq", 4.643888), ("stoi", 1.0)])
def test_a_clip_equal_to_its_source_has_the_maximum(name, highest):
    """P.862.2 maps its best raw score, 4.5, to 4.6439; a correlation with itself is 1."""
    pytest.importorskip({"stoi": "pystoi"}.get(name, name))
    speech = speechlike(3.0)

    assert value_of(build_metric(name), speech, speech) == pytest.approx(highest, abs=1e-5)


def test_the_maximum_of_pesq_is_the_mapping_of_the_recommendation():
    """P.862.2 equation 1 at a raw score of 4.5, computed here by hand."""
    pytest.importorskip("pesq")
    speech = speechlike(2.0, seed=3)
    expected = 0.999 + 4 / (1 + np.exp(-1.3669 * 4.5 + 3.8224))

    assert value_of(build_metric("pesq"), speech, speech) == pytest.approx(expected, abs=1e-6)


def test_more_noise_means_a_lower_score(metric):
    """On a ladder of the same noise, every step down is a step down; the range is kept."""
    speech = speechlike(3.0)
    ladder = [with_noise(speech, snr_db) for snr_db in (40, 30, 20, 10, 0)]

    scores = [value_of(metric, sound, speech) for sound in ladder]

    assert scores == sorted(set(scores), reverse=True)
    assert min(scores) >= 0
    assert max(scores) < value_of(metric, speech, speech)


def test_the_source_is_the_source():
    """Clip and source are not interchangeable, and are handed over in the right order."""
    package = pytest.importorskip("pesq")
    speech = speechlike(2.0)
    sound = with_noise(speech, 15)

    actual = value_of(build_metric("pesq"), sound, speech)

    assert actual == package.pesq(16_000, speech.samples, sound.samples, "wb")
    assert actual != value_of(build_metric("pesq"), speech, sound)


def test_scores_do_not_depend_on_other_pairs(metric):
    """Any order, any neighbours: the same bits."""
    sources = [speechlike(1.0 + seed, seed=seed) for seed in range(3)]
    pairs = [(with_noise(source, 10), source) for source in sources]

    forward = [metric.score(*pair) for pair in pairs]
    backward = [metric.score(*pair) for pair in reversed(pairs)]

    assert backward[::-1] == forward


PRINT_SCORE = """
import sys
from mosdata.labels.metrics import build_metric
from mosdata.testing import clip, speechlike
(value,) = build_metric(sys.argv[1]).score(clip(2.0), speechlike(2.0)).values()
print(value.hex())
"""


def test_a_fresh_process_gives_the_same_bytes(metric):
    """Also with another number of threads around."""
    num_threads = "2" if os.environ.get("OMP_NUM_THREADS") == "1" else "1"
    environment = {**os.environ, "OMP_NUM_THREADS": num_threads}
    finished = subprocess.run(
        [sys.executable, "-c", PRINT_SCORE, metric.info.kind],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    here = value_of(metric, clip(2.0), speechlike(2.0)).hex()
    assert (finished.stdout, finished.stderr) == (f"{here}\n", "")


def changed(**changes):
    """A pair in which one clip is not what it should be."""
    speech = speechlike(2.0).samples
    samples = {"sound": speech, "source": speech, **changes}
    return [Clip(samples[name].astype(np.float32), 16_000) for name in ("sound", "source")]


SPEECH = speechlike(2.0).samples


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sound": SPEECH[:-1]}, "length_mismatch"),
        ({"sound": np.zeros_like(SPEECH)}, "silent"),
        ({"source": np.zeros_like(SPEECH)}, "silent"),
        ({"sound": SPEECH * np.nan}, "not_finite"),
        ({"source": SPEECH * np.nan}, "not_finite"),
        ({"sound": SPEECH[:3_900], "source": SPEECH[:3_900]}, "too_short"),
        ({"sound": SPEECH[:0]}, "empty_audio"),
    ],
)
def test_pairs_that_cannot_be_compared_are_rejected_with_a_reason(metric, changes, reason):
    """No number, no crash, and the reason that summaries count by."""
    with pytest.raises(RecordRejected) as rejected:
        metric.score(*changed(**changes))

    assert rejected.value.reason == reason


def test_a_clip_without_a_source_is_rejected(metric):
    """A natural recording has nothing to be compared with."""
    with pytest.raises(RecordRejected) as rejected:
        metric.score(speechlike(1.0), None)

    assert rejected.value.reason == "no_reference"


def test_what_pesq_cannot_score_is_rejected_in_its_words():
    """Long enough, and yet no utterance: the package's own error becomes the reason."""
    pytest.importorskip("pesq")
    speech = speechlike(0.25)

    with pytest.raises(RecordRejected, match="pesq gives no score: No utterances") as rejected:
        build_metric("pesq").score(speech, speech)

    assert rejected.value.reason == "no_score"


def test_pesq_is_kept_from_the_clips_that_crash_it():
    """Its C code has room for 50 utterances: 20 s of the densest bursts pass, more do not."""
    pytest.importorskip("pesq")
    metric = build_metric("pesq")
    burst = np.concatenate([clip(0.2).samples, np.zeros(3_200, np.float32)])
    longest = Clip(np.tile(burst, 50), 16_000)
    longer = Clip(np.append(longest.samples, burst[:1]), 16_000)

    with pytest.raises(RecordRejected) as rejected:
        metric.score(longer, longer)

    assert rejected.value.reason == "too_long"
    assert value_of(metric, longest, longest) == pytest.approx(4.643888, abs=1e-5)


def test_stoi_wants_enough_speech():
    """The answer of pystoi to too few frames, 1e-5, is not passed on as a score."""
    pytest.importorskip("pystoi")
    speech = speechlike(0.3)

    with pytest.raises(RecordRejected) as rejected:
        build_metric("stoi").score(speech, speech)

    assert rejected.value.reason == "too_short"
