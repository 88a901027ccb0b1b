"""The table of metrics, and metrics that users bring."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import Clip
from mosdata.errors import InvalidValue, MissingExtra, RecordRejected, UnknownName, UsageError
from mosdata.labels import guards
from mosdata.labels.base import MetricInfo
from mosdata.labels.functions import FunctionMetric
from mosdata.labels.metrics import (
    METRICS,
    _class_of,
    available_metrics,
    build_metric,
    is_available,
    metric_info,
    why_unavailable,
)
from mosdata.testing import clip, speechlike

USERS_MODULE = '''
import numpy as np
from mosdata.labels.base import MetricInfo
from mosdata.labels.functions import FunctionMetric

def peak(clip):
    return np.abs(clip.samples).max()

def error(clip, reference):
    return np.square(clip.samples - reference.samples).mean()

def broken(clip):
    return float("nan")

def human(clip):
    return 5.0

def dnsmos(clip):
    return 5.0

def of_three(clip, reference, mood):
    return 0.0

class Length:
    """A metric of two dimensions, in full."""

    info = MetricInfo(kind="length", dimensions={"samples": "count", "s": "s"},
                      sample_rate_hz=8_000, needs_reference=False, license="CC0-1.0")

    def revision(self):
        return "1"

    def score(self, clip, reference):
        return {"samples": float(clip.num_samples), "s": clip.duration_s}

length = Length()

def wide_band():
    info = MetricInfo(kind="wide_peak", dimensions={"peak": "0_1"}, sample_rate_hz=48_000,
                      needs_reference=False, license="CC0-1.0")
    return FunctionMetric(function=peak, info=info)

def forgetful():
    return None

NUMBER = 3
'''


@pytest.fixture
def users_module(tmp_path, monkeypatch):
    """A module as a user would write it, on the path under a name of its own."""
    name = f"users_metrics_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(USERS_MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_the_table_keeps_the_contract(name):
    """What is told before it is built is what it is; scores are the dimensions it named."""
    if why_unavailable(name):
        pytest.skip(why_unavailable(name))
    metric = build_metric(name)
    speech = speechlike(1.0)

    scores = metric.score(speech, speech if metric.info.needs_reference else None)

    assert metric.info == metric_info(name)
    assert metric.info.kind == name
    assert list(scores) == list(metric.info.dimensions)
    assert all(type(value) is float for value in scores.values())
    assert metric.revision() == build_metric(name).revision()


def test_the_table_imports_nothing_heavy():
    """Names, scales and availability are told without loading a package or a weight."""
    code = (
        "import sys; from mosdata.labels.metrics import *; "
        "[metric_info(m) for m in METRICS]; available_metrics(); "
        "print({'onnxruntime', 'scipy', 'pesq', 'pystoi', 'torch', 'librosa', 'speechmos'}"
        " & sys.modules.keys())"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (finished.stdout, finished.stderr) == ("set()\n", "")


def test_unknown_metrics_offer_the_nearest():
    """A slip of the pen is answered with the name that was meant."""
    with pytest.raises(UnknownName, match=r"is called 'dnsmoss'. Did you mean 'dnsmos'"):
        build_metric("dnsmoss")


@pytest.mark.parametrize("text", ["dnsmos.", "dnsmos.p808+", "dnsmos.+sig"])
def test_half_a_name_is_refused(text):
    """A dot or a plus with nothing after it is a mistake, not everything."""
    with pytest.raises(InvalidValue, match=r"allowed: dnsmos, or dnsmos.<dimension>"):
        build_metric(text)


@pytest.mark.parametrize("name", METRICS)
def test_a_missing_package_is_told_when_built(name, monkeypatch):
    """The message names the extra; what is available leaves the metric out."""
    monkeypatch.setattr(guards, "find_spec", lambda _: None)

    with pytest.raises(MissingExtra, match=rf"{name} needs .*pip install 'mosdata\[") as missing:
        build_metric(name)

    assert why_unavailable(name) == str(missing.value)
    assert not is_available(name)
    assert available_metrics() == ()


def test_a_function_of_a_clip_is_a_metric(users_module):
    """Five lines are enough: the function's name is the kind, its number the score."""
    metric = build_metric(f"{users_module}:peak")
    sound = speechlike(1.0)

    assert metric.score(sound, None) == {"score": float(np.abs(sound.samples).max())}
    assert metric.info == MetricInfo(
        kind="peak",
        dimensions={"score": "unknown"},
        sample_rate_hz=16_000,
        needs_reference=False,
        license="unknown",
    )
    assert metric_info(f"{users_module}:peak") == metric.info
    assert is_available(f"{users_module}:peak")


def test_a_function_of_two_clips_gets_the_source(users_module):
    """A second argument asks for the clean source; without one the clip is rejected."""
    metric = build_metric(f"{users_module}:error")
    sound, source = clip(1.0, seed=1), clip(1.0, seed=2)

    expected = float(np.square(sound.samples - source.samples).mean())
    assert metric.info.needs_reference
    assert metric.score(sound, source) == {"score": expected}
    with pytest.raises(RecordRejected, match="this clip has none"):
        metric.score(sound, None)


@pytest.mark.parametrize("name", ["Length", "length"])
def test_a_class_or_an_object_with_the_protocol_is_a_metric(users_module, name):
    """A class is built without arguments; an object is taken as it is."""
    metric = build_metric(f"{users_module}:{name}")

    scores = metric.score(clip(0.5, sample_rate_hz=8_000), None)
    assert scores == {"samples": 4_000.0, "s": 0.5}


def test_a_factory_says_what_the_function_cannot(users_module):
    """Rate and scale of a user's own choice."""
    metric = build_metric(f"{users_module}:wide_band")

    assert metric.info.sample_rate_hz == 48_000
    assert metric.info.dimensions == {"peak": "0_1"}
    assert metric.score(clip(0.5, 48_000), None).keys() == {"peak"}


def test_an_edited_function_is_another_revision(users_module):
    """The revision follows the source of the function."""
    revisions = {build_metric(f"{users_module}:{name}").revision() for name in ("peak", "broken")}

    assert len(revisions) == 2
    assert build_metric(f"{users_module}:peak").revision() in revisions


def test_a_number_that_is_none_is_rejected(users_module):
    """NaN never becomes a score."""
    with pytest.raises(RecordRejected, match="broken answered nan"):
        build_metric(f"{users_module}:broken").score(clip(1.0), None)


def test_functions_get_the_same_guards(users_module):
    """A user's function never meets a clip that cannot be judged."""
    silence = Clip(np.zeros(16_000, np.float32), 16_000)

    with pytest.raises(RecordRejected, match="nothing to judge"):
        build_metric(f"{users_module}:peak").score(silence, None)


@pytest.mark.parametrize("name", ["human", "dnsmos"])
def test_nobody_can_pass_for_people_or_for_a_known_metric(users_module, name):
    """A metric's score is never stored as a human one, nor under another metric's name."""
    with pytest.raises(InvalidValue, match=f"Kind of a metric is '{name}'"):
        build_metric(f"{users_module}:{name}")


@pytest.mark.parametrize("name", ["NUMBER", "of_three", "forgetful"])
def test_what_is_no_metric_is_refused_with_the_shapes_that_are(users_module, name):
    """The message says what is allowed."""
    with pytest.raises(InvalidValue, match=r"allowed: a function \(clip\) -> float"):
        build_metric(f"{users_module}:{name}")


def test_import_paths_that_lead_nowhere_are_told_in_words(users_module):
    """A missing module says how it is found; a missing name offers the nearest."""
    with pytest.raises(UsageError, match=r"No module named 'nowhere'.*PYTHONPATH"):
        build_metric("nowhere:metric")
    with pytest.raises(UnknownName, match=r"is called 'peek'. Did you mean 'peak'?"):
        build_metric(f"{users_module}:peek")
    assert "PYTHONPATH" in why_unavailable("nowhere:metric")


def test_a_function_metric_has_one_dimension():
    """One number cannot answer two questions."""
    info = MetricInfo(
        kind="two",
        dimensions={"a": "x", "b": "x"},
        sample_rate_hz=16_000,
        needs_reference=False,
        license="CC0-1.0",
    )

    with pytest.raises(InvalidValue, match="allowed: exactly one"):
        FunctionMetric(function=len, info=info)


@pytest.mark.parametrize("name", METRICS)
def test_the_page_tells_what_the_code_does(name):
    """Dimensions, scale, rate and extra of every metric stand in the table of docs/labels.md."""
    page = Path(__file__).parents[2] / "docs" / "labels.md"
    (row,) = [line for line in page.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    info = metric_info(name)
    metric = _class_of(name)

    assert all(f"`{dimension}`" in row for dimension in info.dimensions)
    assert all(f"`{scale}`" in row for scale in info.dimensions.values())
    assert f"| {'yes' if info.needs_reference else 'no'} | {info.sample_rate_hz // 1000} kHz" in row
    assert f"mosdata[{metric.extra}]" in row
