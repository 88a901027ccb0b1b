"""Linear prediction: a filter for the mouth, pulses or noise for the throat.

The vocoder of the 1970s (Atal & Hanauer, JASA 50, 1971; Makhoul, Proc. IEEE 63, 1975): every 5 ms
an all-pole filter, a gain, and a decision between a pulse train at the pitch and white noise. It
buzzes.

Shapes: T frames, F samples a frame, P predictor order, B bins of the spectrum.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip
from mosdata.vocoding.frames import cut_frames, hann, overlap_add, runs
from mosdata.vocoding.pitch import Pitch, track_pitch

ADAPTER_VERSION: Final = "1"

HOP_S: Final = 0.005
FRAME_HOPS: Final = 5
PRE_EMPHASIS: Final = 0.97
DC_BLOCKER_POLE: Final = 0.99

NOISE_FLOOR: Final = 1e-5
"""Added to the energy, relative: keeps the filter stable where a frame is nearly periodic."""

SILENT_ENERGY: Final = 1e-10
"""Added to the energy, absolute: an empty frame has a flat spectrum and no gain."""

Array = NDArray[np.float64]


class Lpc:
    """Vocoder with an all-pole filter and one bit of voicing.

    Args:
        order: poles of the filter; two for each kHz of the band, and two more, where None.
        breath: how much of the power of voiced sounds is noise: 0 buzzes, 1 whispers.
    """

    name = "lpc"

    def __init__(self, *, order: int | None = None, breath: float = 0.0) -> None:
        self._order = order
        self._breath = breath

    def revision(self) -> str:
        """Version of this module."""
        return f"lpc/{ADAPTER_VERSION}"

    def resynthesize(self, clip: Clip, *, rng: np.random.Generator) -> Clip:
        """Filter and voicing from the clip, noise from ``rng``."""
        hop = round(HOP_S * clip.sample_rate_hz)
        length = FRAME_HOPS * hop
        lead = length // 2
        padded = np.pad(clip.samples.astype(np.float64), (lead, length + hop))
        emphasised = np.append(padded[:1], padded[1:] - PRE_EMPHASIS * padded[:-1])
        frames_TF = cut_frames(emphasised, frame_length=length, hop_length=hop)
        order = self._order or default_order(clip.sample_rate_hz)
        predictor_TP, gain_T = _analyse(frames_TF, order=order)
        pitch = track_pitch(clip, hop_s=hop / clip.sample_rate_hz, num_frames=len(frames_TF))
        source = excitation(
            pitch,
            hop_length=hop,
            sample_rate_hz=clip.sample_rate_hz,
            rng=rng,
            breath=self._breath,
        )
        spoken = _filter(source, predictor_TP, gain_T, hop)[: clip.num_samples]
        return Clip(spoken.astype(np.float32), clip.sample_rate_hz)


def default_order(sample_rate_hz: int) -> int:
    """A pair of poles for every kHz of the band, and one for the throat (Makhoul 1975)."""
    return 2 + round(sample_rate_hz / 1000)


def levinson(correlation_TP: Array) -> tuple[Array, Array]:
    """Levinson-Durbin recursion on many frames at once.

    Args:
        correlation_TP: autocorrelation at lags 0 to P.

    Returns:
        The prediction-error filter, shape ``(T, P + 1)`` and starting with 1, and the energy
        that it leaves, shape ``(T,)``.

    Example:
        >>> error_filter, _ = levinson(np.array([[1.0, 0.5, 0.25]]))
        >>> error_filter.tolist()
        [[1.0, -0.5, 0.0]]
    """
    num_frames, size = correlation_TP.shape
    filters = np.zeros((num_frames, size))
    filters[:, 0] = 1.0
    left = correlation_TP[:, 0].copy()
    for order in range(1, size):
        lags = correlation_TP[:, order:0:-1]
        reflection = -np.einsum("tp,tp->t", filters[:, :order], lags) / left
        mirrored = filters[:, order - 1 :: -1] if order > 1 else filters[:, :1]
        filters[:, 1 : order + 1] += reflection[:, None] * mirrored[:, :order]
        left *= 1 - reflection**2
    return filters, left


def excitation(
    pitch: Pitch,
    *,
    hop_length: int,
    sample_rate_hz: int,
    rng: np.random.Generator,
    breath: float = 0.0,
) -> Array:
    """Pulses where the pitch is, white noise elsewhere; unit power throughout.

    Args:
        pitch: of every frame.
        hop_length: samples in a frame.
        sample_rate_hz: of what is made.
        rng: the noise is drawn from it, the same whatever the pitch.
        breath: share of noise in the power of the voiced frames.

    Returns:
        ``len(pitch.hz) * hop_length`` samples.
    """
    hz = np.repeat(pitch.hz, hop_length)
    source = rng.standard_normal(len(hz))
    source[hz > 0] *= np.sqrt(breath)
    turns = np.cumsum(hz) / sample_rate_hz
    pulses = np.flatnonzero(np.diff(np.floor(turns), prepend=0.0))
    source[pulses] += np.sqrt((1 - breath) * sample_rate_hz / np.maximum(hz[pulses], 1.0))
    return source


def _analyse(frames_TF: Array, *, order: int) -> tuple[Array, Array]:
    """Error filters, and the gain that makes unit-power excitation as loud as the frame."""
    window = hann(frames_TF.shape[1])
    size = 2 ** int(np.ceil(np.log2(2 * frames_TF.shape[1])))
    correlation = np.empty((len(frames_TF), order + 1))
    for some in runs(len(frames_TF)):
        power = np.abs(np.fft.rfft(frames_TF[some] * window, size)) ** 2
        correlation[some] = np.fft.irfft(power, size)[:, : order + 1]
    energy = correlation[:, 0].copy()
    correlation[:, 0] = energy * (1 + NOISE_FLOOR) + SILENT_ENERGY
    filters_TP, left_T = levinson(correlation)
    return filters_TP, np.sqrt(left_T / np.sum(window**2))


def _filter(source: Array, predictor_TP: Array, gain_T: Array, hop: int) -> Array:
    """Each frame of the excitation through its own filter, in the frequency domain, added up."""
    length = 2 * hop
    num_frames = len(gain_T)
    parts = cut_frames(np.pad(source, (hop, hop)), frame_length=length, hop_length=hop)
    size = 2 ** int(np.ceil(np.log2(16 * hop)))  # 70 ms or more for the filter to ring out
    emphasis = np.fft.rfft([1.0, -PRE_EMPHASIS], size)
    added = np.zeros((num_frames - 1) * hop + size + -size % hop)
    for some in runs(num_frames):
        windowed = parts[some] * hann(length) * gain_T[some, None]
        mouth = _dc_blocker(size) / (np.fft.rfft(predictor_TP[some], size) * emphasis)
        waves = np.fft.irfft(np.fft.rfft(windowed, size) * mouth, size)
        spoken = overlap_add(np.pad(waves, ((0, 0), (0, -size % hop))), hop_length=hop)
        start = some.start * hop
        added[start : start + len(spoken)] += spoken
    return added[hop:]


def _dc_blocker(size: int) -> NDArray[np.complex128]:
    """Pulses all point one way; without this, undoing the emphasis would push the whole wave."""
    response: NDArray[np.complex128] = np.fft.rfft([1.0, -1.0], size) / np.fft.rfft(
        [1.0, -DC_BLOCKER_POLE], size
    )
    return response
