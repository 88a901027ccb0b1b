"""The voice taken apart into a few parameters and put together again, as vocoders do."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples, fitted
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.normals import normal_noise
from mosdata.augment.speech_level import active_level_dbfs, gain_of
from mosdata.errors import RecordRejected
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied
from mosdata.vocoding.frames import hann
from mosdata.vocoding.griffinlim import (
    WINDOW_S,
    find_phase,
    invert_mels,
    istft,
    mel_filters,
    padded,
    polar,
    stft,
)
from mosdata.vocoding.lpc import Lpc, default_order
from mosdata.vocoding.world import World

LEAST_SHARE: Final = 0.05

FIRST_PART: Final = 0.45
"""Of the scale, in which two voices in one sound ever worse."""

WHISPERED_SHARE: Final = 0.95
"""In the end, when the vocoder whispers and more of its voice is no relief any more."""

SMEARED_BANDS: Final = 4
"""So wide that hardly a vowel is left."""

LEAST_MAGNITUDE: Final = np.float32(1e-9)

FLOOR: Final = np.float32(0.01)
"""Of the noise power, left in every bin (Berouti et al.)."""

SHORTEST_S: Final = 0.1
"""Shorter clips are padded with silence; a pitch needs a few periods."""

SHARE: Final = Parameter("of the vocoder's voice, the rest being the clean one", low=0, high=1)
BREATH: Final = Parameter("of noise in the power of voiced sounds", low=0, high=1)


def share_and_breath(position: float, most: float) -> dict[str, float]:
    """The voice up to a share, geometrically; then it loses its pitch, while more of it comes.

    Args:
        position: on the scale.
        most: share from which a buzzing vocoder's voice is better alone than with the clean one.
    """
    first = min(1.0, position / FIRST_PART)
    second = max(0.0, position - FIRST_PART) / (1 - FIRST_PART)
    share = LEAST_SHARE * math.pow(most / LEAST_SHARE, first) + (WHISPERED_SHARE - most) * second
    return {"vocoder_share": round(share, 4), "breath": round(second, 4)}


class _Resynthesis(LadderCorruption):
    """A vocoder's voice, more and more of it; length, alignment and active level stay."""

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``vocoder_seed``: for noise and phases."""
        return {"vocoder_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Speak again, and mix."""
        enough = max(clip.num_samples, round(SHORTEST_S * clip.sample_rate_hz))
        whole = Clip(fitted(clip.samples, enough), clip.sample_rate_hz)
        seed = int(number(applied, "vocoder_seed", of_old=0))
        rng = np.random.Generator(np.random.SFC64(seed))
        spoken = self.speak(whole, applied, rng)[: clip.num_samples]
        return _as_loud(spoken, clip)

    @abstractmethod
    def speak(self, clip: Clip, applied: Applied, rng: np.random.Generator) -> Samples:
        """The harmed samples at any level; as long as the clip."""


class GriffinLimVoice(_Resynthesis):
    """Speech from a mel spectrogram with a made-up phase: hollow, then smeared.

    The magnitudes come from mel bands by non-negative least squares, the phase by 16 steps of the
    fast Griffin-Lim algorithm (:mod:`mosdata.vocoding.griffinlim`), which starts from the true
    phase turned by a drawn amount. First the phase goes and the true magnitudes give way to those
    of 80 bands; then, the phase being found, the magnitudes give way to those of 4 bands. What
    early neural systems sounded like. With a first phase of chance alone PESQ goes up and down.

    Source: Griffin & Lim (IEEE Trans. ASSP 32, 1984), in the fast form of Perraudin, Balazs &
    Soendergaard (WASPAA 2013). audiomentations has no resynthesis.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> (applied,), hollow = harm(["griffin_lim"], 0.5, clip, seed=1, record_id="a")
        >>> applied.params["num_mels"], hollow.num_samples == clip.num_samples
        (80, True)
    """

    name = "griffin_lim"
    parameters: ClassVar = {
        "phase_error_turns": Parameter("largest error of the first phase", low=0, high=0.5),
        "mel_share": Parameter("of the magnitudes from mel bands", low=0, high=1),
        "num_mels": Parameter("number of mel bands", low=4, high=80, choices=tuple(range(4, 81))),
        "smeared_share": Parameter("of the final magnitudes from 4 bands", low=0, high=1),
    }
    NUM_STEPS: ClassVar = 16

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """Phase and 80 bands over the first half, 4 bands over the second."""
        first, second = min(1.0, 2 * position), max(0.0, 2 * position - 1)
        return {
            "phase_error_turns": round(0.02 + 0.28 * first, 4),
            "mel_share": round(0.05 + 0.95 * first, 4),
            "num_mels": 80,
            "smeared_share": round(second, 4),
        }

    def speak(self, clip: Clip, applied: Applied, rng: np.random.Generator) -> Samples:
        """Magnitudes from bands, a phase from the true one and chance.

        In double precision: the search for a phase makes a thousand times more of what processors
        round otherwise.
        """
        length = 2 ** round(np.log2(WINDOW_S * clip.sample_rate_hz))
        window = hann(length)
        spectrum_TB = stft(padded(clip.samples.astype(np.float64), length), window)
        magnitude_TB = np.abs(spectrum_TB)
        smeared_share = number(applied, "smeared_share", of_old=0)
        smeared_TB = None
        if smeared_share:
            smeared_TB = _from_bands(magnitude_TB, clip.sample_rate_hz, length, SMEARED_BANDS)
        num_mels = int(number(applied, "num_mels"))
        rebuilt_TB = _from_bands(magnitude_TB, clip.sample_rate_hz, length, num_mels)
        magnitude_TB += number(applied, "mel_share") * (rebuilt_TB - magnitude_TB)
        turns_TB = rng.random(magnitude_TB.shape, np.float32).astype(np.float64)
        turns_TB -= 0.5
        turns_TB *= 2 * number(applied, "phase_error_turns")
        spectrum_TB /= np.abs(spectrum_TB) + LEAST_MAGNITUDE
        guess_TB = polar(magnitude_TB, turns_TB) * spectrum_TB
        samples = find_phase(guess_TB, magnitude_TB, window, self.NUM_STEPS)
        samples = samples[length : length + clip.num_samples]
        if smeared_TB is not None:
            spectrum_TB = stft(padded(samples, length), window)
            found_TB = np.abs(spectrum_TB) + LEAST_MAGNITUDE
            spectrum_TB *= 1 + smeared_share * (smeared_TB / found_TB - 1)
            samples = istft(spectrum_TB, window)[length : length + clip.num_samples]
        return samples.astype(np.float32)


class LpcVoice(_Resynthesis):
    """Linear prediction with pulses or noise: the buzz of the vocoders of the 1970s.

    The clean clip gives way to the voice of :mod:`mosdata.vocoding.lpc`, up to half of it: every
    5 ms an all-pole filter, excited by pulses at the pitch or by drawn noise. As filters are
    linear, this is also an excitation that goes from the true residual to the made-up one. Then
    noise takes the place of the pulses, and the voice becomes a whisper, more and more of it.

    Source: Atal & Hanauer (J. Acoust. Soc. Am. 50, 1971). audiomentations has no resynthesis.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> (applied,), buzzing = harm(["lpc"], 0.5, clip, seed=1, record_id="a")
        >>> applied.params["num_poles"], buzzing.num_samples == clip.num_samples
        (18, True)
    """

    name = "lpc"
    parameters: ClassVar = {
        "vocoder_share": SHARE,
        "breath": BREATH,
        "num_poles": Parameter("of the filter", low=2, high=98, choices=tuple(range(2, 99))),
    }
    MOST: ClassVar = 0.5

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """From a twentieth of the voice to half of it, geometrically; then breath and more."""
        return {
            **share_and_breath(position, self.MOST),
            "num_poles": default_order(sample_rate_hz),
        }

    def speak(self, clip: Clip, applied: Applied, rng: np.random.Generator) -> Samples:
        """Speak again from filter and excitation."""
        vocoder = Lpc(
            order=int(number(applied, "num_poles")), breath=number(applied, "breath", of_old=0)
        )
        voice = vocoder.resynthesize(clip, rng=rng)
        return mixed(clip, voice.samples, number(applied, "vocoder_share"))


class WorldVoice(_Resynthesis):
    """WORLD: pitch, smooth envelope and aperiodicity, and back (``mosdata[world]``).

    The clean clip gives way to the voice of :mod:`mosdata.vocoding.world`, up to two fifths of it:
    PESQ finds two voices at odds worse than WORLD's alone. Then noise takes the place of what is
    periodic, and the voice becomes a whisper, more and more of it. The pitch can be made flat and
    the envelope be smoothed over frequency, by keeping only its first cepstral coefficients, where
    that is asked for: either turns the phase of the voice, and PESQ goes up and down. WORLD's own
    noise is fixed.

    Source: Morise, Yokomori & Ozawa (IEICE Trans. E99-D, 2016). audiomentations has no
    resynthesis.

    Raises:
        MissingExtra: ``pyworld`` is not installed.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"world": {"vocoder_share": 0.4, "breath": 0}}
        >>> (applied,), _ = harm(["world"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params["vocoder_share"]
        0.4
    """

    name = "world"
    parameters: ClassVar = {
        "vocoder_share": SHARE,
        "breath": BREATH,
        "flatness": Parameter("of the pitch: 0 as spoken, 1 one note", low=0, high=1),
        "detail": Parameter("cepstral coefficients of the envelope", low=2, high=60),
    }
    MOST: ClassVar = 0.4
    WHOLE: ClassVar = 60.0
    """Coefficients at which the envelope is left as it is."""

    def __init__(self) -> None:
        World()  # a missing package is noticed here

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """From a twentieth of the voice to 0.4 of it, geometrically; then breath and more."""
        share = share_and_breath(position, self.MOST)
        return {**share, "flatness": 0.0, "detail": self.WHOLE}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - WORLD takes no chance
        """Nothing: its noise is its own."""
        return {}

    def speak(self, clip: Clip, applied: Applied, rng: np.random.Generator) -> Samples:
        """Analyse, flatten and smooth, synthesise."""
        flatness, detail = number(applied, "flatness"), number(applied, "detail")
        vocoder = World(
            flatness=flatness,
            detail=detail if detail < self.WHOLE else None,
            breath=number(applied, "breath", of_old=0),
        )
        voice = vocoder.resynthesize(clip, rng=rng)
        return mixed(clip, voice.samples, number(applied, "vocoder_share"))


class SpectralSubtraction(LadderCorruption):
    """Noise that was subtracted too eagerly: a warble of short tones ("musical noise").

    White noise is drawn, mixed in and taken out again as the first noise suppressors did: the
    power of every bin minus a multiple of the mean power of the noise, never below a floor (Boll,
    IEEE Trans. ASSP 27, 1979; Berouti, Schwartz & Makhoul, ICASSP 1979: the multiple is 4 at
    0 dB and falls by 0.15 a dB, the floor is 0.01). Frames of 32 ms overlap four times. Weak
    sounds go with the noise, single bins stay.

    audiomentations has no suppressor of noise.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"spectral_subtraction": {"snr_db": 20}}
        >>> (applied,), warbling = harm(
        ...     ["spectral_subtraction"], 1, clip, seed=1, record_id="a", values=values
        ... )
        >>> applied.params["snr_db"], warbling.num_samples == clip.num_samples
        (20, True)
    """

    name = "spectral_subtraction"
    parameters: ClassVar = {
        "snr_db": Parameter("active speech over the noise that is suppressed", low=-20, high=60),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """60 down to -10 dB."""
        return {"snr_db": round(60 - 70 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``noise_seed``."""
        return {"noise_seed": draw_seed(rng)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add, subtract, and restore the level."""
        snr_db = number(applied, "snr_db")
        noise = normal_noise(int(number(applied, "noise_seed")), clip.num_samples)
        noise_gain = gain_of(active_level_dbfs(clip) - snr_db)
        noise *= noise_gain
        noise += clip.samples
        cleaned = suppressed(Clip(noise, clip.sample_rate_hz), float(noise_gain), snr_db)
        return _as_loud(cleaned, clip)


def suppressed(noisy: Clip, noise_rms: float, snr_db: float) -> Samples:
    """Subtract the mean power of white noise, and more, from every bin.

    Args:
        noisy: speech and noise.
        noise_rms: of the noise.
        snr_db: sets how much more is subtracted.
    """
    length = 2 ** round(np.log2(0.032 * noisy.sample_rate_hz))
    window = hann(length).astype(np.float32)
    spectrum_TB = stft(padded(noisy.samples, length), window)
    noise_power = np.float32(noise_rms**2 * float(np.sum(window.astype(np.float64) ** 2)))
    eagerness = np.float32(min(5.0, max(1.0, 4 - 0.15 * snr_db)))
    power_TB = spectrum_TB.real**2 + spectrum_TB.imag**2
    left_TB = 1 - eagerness * noise_power / np.maximum(power_TB, np.float32(1e-20))
    np.maximum(left_TB, FLOOR * noise_power / np.maximum(power_TB, noise_power), out=left_TB)
    spectrum_TB *= np.sqrt(left_TB)
    return istft(spectrum_TB, window)[length : length + noisy.num_samples]


def _from_bands(magnitude_TB: Samples, sample_rate_hz: int, length: int, num_mels: int) -> Samples:
    """The magnitudes as a number of mel bands remembers them."""
    mels = mel_filters(length, sample_rate_hz, num_mels)
    return np.ascontiguousarray(invert_mels(mels @ magnitude_TB.T, mels).T)


def mixed(clip: Clip, voice: Samples, share: float) -> Samples:
    """A share of the voice, and the rest of the clip."""
    return clip.samples + np.float32(share) * (voice - clip.samples)


def _as_loud(samples: Samples, clip: Clip) -> Samples:
    """At the active level of the clip; as it is where nothing audible is left."""
    spoken = Clip(samples, clip.sample_rate_hz)
    try:
        gain_db = active_level_dbfs(clip) - active_level_dbfs(spoken)
    except RecordRejected:
        return samples
    return samples * gain_of(gain_db)
