"""DNSMOS agrees with the published code, window by window and score by score."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.errors import InvalidValue, MissingExtra, RecordRejected, UnknownName
from mosdata.labels import dnsmos, mel
from mosdata.labels.metrics import build_metric
from mosdata.testing import clip, speechlike

pytest.importorskip("onnxruntime")
pytest.importorskip("speechmos")


@pytest.fixture(scope="module")
def p808():
    """The cheap model alone."""
    return build_metric("dnsmos.p808")


@pytest.fixture(scope="module")
def complete():
    """Both models."""
    return build_metric("dnsmos")


@pytest.fixture(scope="module")
def published():
    """The package that published the weights; it imports librosa."""
    return pytest.importorskip("speechmos.dnsmos", exc_type=ImportError)


def noisy(duration_s, seed=0):
    """Speechlike sound without the zeros that would hide a wrong frame."""
    speech = speechlike(duration_s, seed=seed).samples
    hiss = clip(duration_s, seed=seed).samples
    return Clip(speech + np.float32(0.03) * hiss, 16_000)


@pytest.mark.parametrize("duration_s", [1.0, 5.0, 12.0])
def test_scores_are_those_of_the_published_code(complete, published, duration_s):
    """All four dimensions agree to 1e-4 on a repeated clip, one window and several windows."""
    sound = noisy(duration_s)

    actual = complete.score(sound, None)

    expected = published.run(sound.samples, 16_000)
    assert {f"{name}_mos": value for name, value in actual.items()} == pytest.approx(
        expected, abs=1e-4
    )


class Recorder:
    """Stands in for a model: keeps what it is given."""

    def __init__(self):
        self.inputs = []

    def run(self, _, inputs):
        """As a session of onnxruntime."""
        self.inputs.append(inputs["input_1"][0])
        return [np.ones((1, 3), np.float32)]


@pytest.mark.parametrize("duration_s", [0.3, 1.0, 2.2, 3.0, 4.4, 4.5, 9.0, 9.01, 12.5, 20.0, 41.0])
def test_models_see_the_windows_of_the_published_code(published, duration_s):
    """The same samples and features, each as often: also where the published code drops some."""
    sound = noisy(duration_s)
    theirs = published.DNSMOS.__new__(published.DNSMOS)
    theirs.onnx_sess, theirs.p808_onnx_sess = Recorder(), Recorder()
    theirs(sound.samples, 16_000, is_personalized_MOS=False)

    windows = dnsmos._windows(sound.samples)

    counted = list(windows.counts.values())
    samples = [w for w, n in zip(windows.samples(), counted, strict=True) for _ in range(n)]
    features = [
        w
        for w, n in zip(mel.p808_features(windows.signal, windows.counts), counted, strict=True)
        for _ in range(n)
    ]
    order = np.argsort([w[:800].tobytes() for w in theirs.onnx_sess.inputs], kind="stable")
    expected = np.array(theirs.onnx_sess.inputs)[order]
    ours = np.argsort([w[:800].tobytes() for w in samples], kind="stable")
    np.testing.assert_array_equal(np.array(samples)[ours], expected)
    np.testing.assert_allclose(
        np.array(features)[ours], np.array(theirs.p808_onnx_sess.inputs)[order], atol=2e-4
    )


def test_long_clips_skip_the_windows_that_the_published_code_skips():
    """Of 32 windows of a 41 s clip, 7 to 23 are lost to rounding; they are not even run."""
    windows = dnsmos._windows(clip(41.0).samples)

    assert list(windows.counts) == [*range(7), *range(24, 32)]
    assert set(windows.counts.values()) == {1}


def test_repeated_windows_run_once():
    """A clip of 2 s fills 16 s and meets two windows seven times."""
    windows = dnsmos._windows(clip(2.0).samples)

    assert windows.counts == {0: 4, 1: 3}


def test_filters_are_those_of_librosa():
    """The mel filters are computed from their definition and equal librosa's."""
    filters = pytest.importorskip("librosa").filters

    actual = mel.mel_filters()

    expected = filters.mel(sr=16_000, n_fft=321, n_mels=120)
    np.testing.assert_allclose(actual, expected, atol=1e-9)


def test_a_subset_gives_the_same_numbers_and_loads_one_model(p808, complete):
    """``dnsmos.p808`` is the number that ``dnsmos`` gives, without the expensive model."""
    sound = noisy(1.0)
    everything = complete.score(sound, None)

    assert p808.score(sound, None) == {"p808": everything["p808"]}
    assert p808._p835 is None
    assert build_metric("dnsmos.sig")._p808 is None
    assert p808.revision() == complete.revision()


def test_dimensions_keep_the_order_of_the_table():
    """What was asked for is told in one order, whatever the order of asking."""
    metric = build_metric("dnsmos.ovrl+p808")

    assert list(metric.info.dimensions) == ["p808", "ovrl"]
    assert list(metric.score(noisy(5.0), None)) == ["p808", "ovrl"]


def test_scores_do_not_depend_on_other_clips(p808):
    """Any order, any neighbours: the same bits."""
    sounds = [noisy(duration_s, seed) for seed, duration_s in enumerate([0.4, 3.3, 12.0, 1.0])]

    forward = [p808.score(sound, None) for sound in sounds]
    backward = [p808.score(sound, None) for sound in reversed(sounds)]

    assert backward[::-1] == forward
    assert len({tuple(scores.values()) for scores in forward}) == len(sounds)


PRINT_SCORES = """
import sys
from mosdata.labels.metrics import build_metric
from mosdata.testing import clip
metric = build_metric("dnsmos")
print({k: v.hex() for k, v in metric.score(clip(5.0), None).items()}, metric.revision())
heavy = {"librosa", "speechmos", "torch", "pandas"} & sys.modules.keys()
assert not heavy, heavy
"""


def test_a_fresh_process_gives_the_same_bytes(complete):
    """Also with another number of threads around; and neither librosa nor torch is imported."""
    num_threads = "2" if os.environ.get("OMP_NUM_THREADS") == "1" else "1"
    environment = {**os.environ, "OMP_NUM_THREADS": num_threads}
    finished = subprocess.run(
        [sys.executable, "-c", PRINT_SCORES],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    here = {name: value.hex() for name, value in complete.score(clip(5.0), None).items()}
    assert finished.stderr == ""
    assert finished.stdout == f"{here} {complete.revision()}\n"


def test_noise_lowers_the_score(p808):
    """More hiss, lower MOS: the weights do what they are for."""
    speech, hiss = speechlike(5.0).samples, clip(5.0).samples
    scores = [
        p808.score(Clip(speech + np.float32(gain) * hiss, 16_000), None)["p808"]
        for gain in (0.01, 0.3, 3.0)
    ]

    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "empty_audio"),
        (np.full(16_000, np.nan, np.float32), "not_finite"),
        (np.full(16_000, np.inf, np.float32), "not_finite"),
        (np.full(3_999, 0.1, np.float32), "too_short"),
        (np.zeros(16_000, np.float32), "silent"),
    ],
)
def test_clips_that_cannot_be_judged_are_rejected_with_a_reason(p808, samples, reason):
    """Silence, NaN and snippets get no number; the published code gives them one."""
    with pytest.raises(RecordRejected) as rejected:
        p808.score(Clip(samples, 16_000), None)

    assert rejected.value.reason == reason


def test_a_quarter_of_a_second_is_enough(p808):
    """The shortest clip that is judged gets a score on the scale."""
    score = p808.score(noisy(0.25), None)["p808"]

    assert 1 <= score <= 5


def test_another_rate_is_refused(p808):
    """A clip at another rate is the caller's mistake, with the remedy."""
    with pytest.raises(InvalidValue, match=r"'24000 Hz'; allowed: 16000 Hz. Use mosdata.audio"):
        p808.score(speechlike(1.0, sample_rate_hz=24_000), None)


def test_unknown_dimensions_offer_the_nearest():
    """A slip of the pen in a dimension is told when the metric is built."""
    with pytest.raises(UnknownName, match=r"No dimension of dnsmos is called 'p80'.*'p808'"):
        build_metric("dnsmos.p80")


def test_missing_weights_are_told_when_built(monkeypatch, tmp_path):
    """A wheel without the models is a missing extra, not a crash at the first clip."""
    empty = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(dnsmos, "find_spec", lambda _: empty)

    with pytest.raises(MissingExtra, match=r"speechmos with model_v8.onnx.*mosdata\[metrics\]"):
        build_metric("dnsmos")
