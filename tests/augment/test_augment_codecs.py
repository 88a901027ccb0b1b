"""Codecs: exact where a standard says what is exact, in place to the sample, bad at the end."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from mosdata.audio import Clip, resample
from mosdata.augment.codec import Codec
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, build_corruption
from mosdata.augment.g711 import companded
from mosdata.augment.g726 import ITU_ROUNDING, TABLES
from mosdata.errors import InvalidValue, MissingExtra, UsageError
from mosdata.manifests.ids import rng_for
from mosdata.testing.clips import speechlike

CODECS = sorted(KINDS["codec"])


def build(name: str) -> Codec:
    """The codec; skipped only where its package is missing."""
    try:
        codec = build_corruption(name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert isinstance(codec, Codec)
    return codec


def coded(name: str, clip: Clip, **values: float) -> Clip:
    """The clip at given physical values."""
    codec = build(name)
    return codec.apply(clip, codec.draw_at(values, clip, rng_for(0, "r", name)))


def voiced_noise(num_samples: int, seed: int) -> np.ndarray:
    """16-bit noise with the spectrum of a vowel and the rhythm of syllables."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed).standard_normal(num_samples)
    rhythm = 0.1 + np.sin(np.arange(num_samples) * np.pi / 1600) ** 2
    shaped = lfilter([1], [1, -1.6, 0.8], noise) * rhythm
    return np.rint(2_500 * shaped / shaped.std()).clip(-32768, 32767).astype(np.int16)


def through_libsndfile(pcm: np.ndarray, container: str, subtype: str) -> np.ndarray:
    """Written and read by libsndfile at 8 kHz."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, pcm, 8_000, format=container, subtype=subtype)
    file.seek(0)
    return soundfile.read(file, dtype="int16", frames=len(pcm))[0]


@pytest.mark.parametrize(("law", "subtype"), [("mu", "ULAW"), ("a", "ALAW")])
def test_g711_is_that_of_libsndfile(law: str, subtype: str) -> None:
    """Every one of the 65536 samples becomes the same."""
    every = np.arange(-32768, 32768).astype(np.int16)

    assert np.array_equal(
        through_libsndfile(every, "WAV", subtype), companded(law)[every.view(np.uint16)]
    )


@pytest.mark.parametrize(("kbps", "subtype"), [(24, "G723_24"), (32, "G721_32"), (40, "G723_40")])
def test_g726_is_that_of_libsndfile_but_for_one_rounding(kbps: int, subtype: str) -> None:
    """Without the rounding of the Recommendation's FMULT, which libsndfile lacks: bit for bit."""
    from mosdata.augment.adpcm import there_and_back

    for pcm in (voiced_noise(16_000, kbps), np.zeros(800, np.int16)):
        ours = there_and_back(pcm.astype(np.int64) >> 2, *TABLES[kbps], 0) << 2

        assert np.array_equal(through_libsndfile(pcm, "AU", subtype), ours)


# What spandsp 0.0.6 (tested with the ITU's vectors) decodes of this sweep: a sum over 400 samples,
# and the last sample.
SPANDSP = {16: (78452, 3240), 24: (76848, 3232), 32: (74004, 3236), 40: (73092, 3300)}


@pytest.mark.parametrize("kbps", TABLES)
def test_g726_is_that_of_spandsp(kbps: int) -> None:
    """With that rounding it is the Recommendation's, at 16 kbit/s too."""
    from mosdata.augment.adpcm import there_and_back

    steps = np.arange(400)
    pcm = (4_000 * np.sin(steps * steps / 900)).astype(np.int16)
    heard = there_and_back(pcm.astype(np.int64) >> 2, *TABLES[kbps], ITU_ROUNDING) << 2

    assert SPANDSP[kbps] == (int(heard.sum()), int(heard[-1]))


def swelling_noise() -> Clip:
    """Six seconds from 300 to 3400 Hz, another loudness every 50 ms."""
    from scipy.signal import butter, sosfiltfilt

    generator = np.random.default_rng(0)
    band = butter(4, [300, 3_400], "band", fs=8_000, output="sos")
    noise = sosfiltfilt(band, generator.standard_normal(48_000))
    noise *= np.repeat(np.abs(generator.standard_normal(120)), 400)
    return Clip((0.05 * noise / np.std(noise)).astype(np.float32), 8_000)


def best_lag(name: str, narrow: Clip, sample_rate_hz: int) -> tuple[int, float]:
    """Samples by which a coded clip is late (or early), and how much of the clip is in it there."""
    clip = resample(narrow, sample_rate_hz)
    best = {"amr": 12.2, "opus": 24, "g726": 40, "mp3": 48}
    values = {"bitrate_kbps": best[name]} if name in best else {"error_gain": 1.0}
    heard = coded(name, clip, **values).samples
    size = 2 * clip.num_samples
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(clip.samples, size))
    correlation = np.fft.irfft(product, size)
    lag = int(np.argmax(correlation))
    return min(lag, size - lag), float(correlation.max() / np.dot(clip.samples, clip.samples))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 22_050, 48_000])
def test_a_codec_stays_in_place(name: str, sample_rate_hz: int) -> None:
    """The best lag between clip and coded clip is 0 at every rate.

    AMR moves what is low forward by its high-pass: here it is within one of its samples, and in
    place on noise of the whole telephone band.
    """
    narrow = Clip(voiced_noise(16_000, 3).astype(np.float32) / 32_768, 8_000)
    lag, share = best_lag(name, narrow, sample_rate_hz)

    assert lag <= (sample_rate_hz / 8_000 if name == "amr" else 0)
    assert share > 0.7


@pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 22_050, 48_000])
def test_amr_stays_in_place_on_the_whole_band(sample_rate_hz: int) -> None:
    """To the sample, though it keeps less of such a waveform."""
    lag, share = best_lag("amr", swelling_noise(), sample_rate_hz)

    assert lag == 0
    assert share > 0.6


@pytest.mark.parametrize("name", ["amr", "g726", "mp3", "opus"])
@pytest.mark.parametrize("sample_rate_hz", [16_000, 48_000])
def test_a_bitrate_alone_is_the_codec_itself(name: str, sample_rate_hz: int) -> None:
    """No gain is added to what the user asked for, and the row says so."""
    codec = build(name)
    for bitrate_kbps in codec.parameters["bitrate_kbps"].choices or (6, 16, 32):
        values = codec.values_of({"bitrate_kbps": bitrate_kbps}, sample_rate_hz)

        assert (bitrate_kbps, 1.0) == (values["bitrate_kbps"], values["error_gain"])
        assert 1 == values.get("stages", 1)


def test_g726_needs_no_place_to_write_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numba finds none for its cache, the codec is compiled anew in every process."""
    adpcm = pytest.importorskip("mosdata.augment.adpcm")
    asked = []

    def njit(*, cache: bool = False, nogil: bool) -> Callable[[object], object]:
        asked.append((cache, nogil))
        if cache:
            raise RuntimeError("cannot cache function '_bits': no locator available")
        return lambda function: function

    monkeypatch.setattr(adpcm, "njit", njit)

    assert adpcm.compiled(len) is len
    assert asked == [(True, True), (False, True)]


@pytest.mark.parametrize("name", CODECS)
def test_gains_scale_the_error(name: str) -> None:
    """Half the gain is half the difference to the clean clip, whatever the resampling between."""
    clip = speechlike(0.6)
    quiet = Clip(clip.samples * np.float32(0.2), clip.sample_rate_hz)
    differences = [
        coded(name, quiet, error_gain=gain).samples - quiet.samples for gain in (0.5, 1.0)
    ]

    np.testing.assert_allclose(2 * differences[0], differences[1], atol=2e-3)


@pytest.mark.parametrize("name", CODECS)
def test_the_rungs_come_in_order(name: str) -> None:
    """Bitrates fall along the scale, and the gain climbs on each; the codec itself is on it."""
    codec = build(name)
    places = [codec.scale(float(place), 16_000) for place in np.linspace(0, 1, 101)]
    gains = [place["error_gain"] for place in places]

    for low, high in pairwise(places):
        assert low.get("bitrate_kbps", 0) >= high.get("bitrate_kbps", 0)
        if low.get("bitrate_kbps") == high.get("bitrate_kbps"):
            assert low["error_gain"] <= high["error_gain"]
    assert gains[0] <= 0.3
    assert any(0.99 <= gain <= 1.1 for gain in gains)


def test_only_the_last_rung_of_mp3_goes_on() -> None:
    """Its band is known there; elsewhere a gain above 1 would bring back what LAME removed."""
    with pytest.raises(InvalidValue, match="bitrate_kbps=8"):
        coded("mp3", speechlike(0.3), bitrate_kbps=32, error_gain=2.0)


@pytest.mark.parametrize("name", ["amr", "g722"])
def test_a_missing_pyav_is_noticed_when_built(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra; an FFmpeg without the encoder is named too."""
    import sys
    from types import SimpleNamespace

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"pip install 'mosdata\[codecs\]'"):
        build_corruption(name)
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(codecs_available={"opus"}))
    with pytest.raises(UsageError, match="FFmpeg"):
        build_corruption(name)


def test_every_codec_is_in_the_group() -> None:
    """The sweep above misses none."""
    assert {name for name, kind in CORRUPTIONS.items() if kind.stage == "codec"} == {*CODECS}
