"""Sinusoidal model: speech as a few dozen sine waves that come and go.

After McAulay & Quatieri, "Speech analysis/synthesis based on a sinusoidal representation" (IEEE
Trans. ASSP 34, 1986): every 10 ms the highest peaks of the spectrum, each matched with the nearest
in the next frame, and between the two a cubic phase. Few sines keep voices nearly as they are and
turn noise into a gurgle.

Shapes: T frames, F samples a frame, B bins of the spectrum, K peaks, H samples a hop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip
from mosdata.vocoding.frames import cut_frames, hann

ADAPTER_VERSION: Final = "1"

HOP_S: Final = 0.01
WINDOW_S: Final = 0.03
"""About three periods of a low voice, as the paper asks for."""

NUM_PEAKS: Final = 32
LOWEST_PEAK: Final = 10 ** (-60 / 20)
"""Peaks this far below the clip's highest one are left out."""

LARGEST_JUMP_HZ: Final = 60.0
"""Peaks further apart than this belong to different sines."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Peaks:
    """The sines of every frame; each array has shape ``(T, K)``, silent ones have amplitude 0.

    ``frequency`` is in radians a sample, ``phase`` in radians at the middle of the frame.
    """

    amplitude: Array
    frequency: Array
    phase: Array


class Sinusoidal:
    """Vocoder of up to 32 sines; draws nothing."""

    name = "sinusoidal"

    def revision(self) -> str:
        """Version of this module and its settings."""
        return f"sinusoidal/{ADAPTER_VERSION} {NUM_PEAKS} peaks"

    def resynthesize(self, clip: Clip, *, rng: np.random.Generator) -> Clip:  # noqa: ARG002  # amplitudes, frequencies and phases are all measured
        """Peaks from the clip, sines from the peaks."""
        hop = round(HOP_S * clip.sample_rate_hz)
        length = 2 * (round(WINDOW_S * clip.sample_rate_hz) // 2)
        padded = np.pad(clip.samples.astype(np.float64), (length // 2, length + hop))
        frames_TF = cut_frames(padded, frame_length=length, hop_length=hop)
        peaks = find_peaks(frames_TF)
        jump = 2 * np.pi * LARGEST_JUMP_HZ / clip.sample_rate_hz
        samples = _add_sines(peaks, match_peaks(peaks, largest_jump=jump), hop)
        return Clip(samples[: clip.num_samples].astype(np.float32), clip.sample_rate_hz)


def find_peaks(frames_TF: Array) -> Peaks:
    """The highest spectral peaks of every frame, refined by a parabola on the log magnitude."""
    spectrum_TB = _zero_phase_spectrum(frames_TF)
    level_TB = np.log(np.abs(spectrum_TB) + 1e-12)
    middle = level_TB[:, 1:-1]
    is_peak = (middle > level_TB[:, :-2]) & (middle >= level_TB[:, 2:])
    candidates = np.where(is_peak, middle, -np.inf)
    highest_TK = 1 + np.argpartition(candidates, -NUM_PEAKS, axis=1)[:, -NUM_PEAKS:]
    rows = np.arange(len(level_TB))[:, None]
    before, here, after = (level_TB[rows, highest_TK + i] for i in (-1, 0, 1))
    shift = np.clip(
        0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-9), -0.5, 0.5
    )
    amplitude = 2 * np.exp(here - 0.25 * (before - after) * shift) / hann(frames_TF.shape[1]).sum()
    found = is_peak[rows, highest_TK - 1] & (amplitude > LOWEST_PEAK * amplitude.max(initial=0.0))
    size = 2 * (spectrum_TB.shape[1] - 1)
    return Peaks(
        amplitude=np.where(found, amplitude, 0.0),
        frequency=2 * np.pi * (highest_TK + shift) / size,
        phase=np.angle(_between_bins(spectrum_TB, rows, highest_TK, shift)),
    )


def match_peaks(peaks: Peaks, *, largest_jump: float) -> NDArray[np.int64]:
    """For every peak, which peak of the next frame goes on with it.

    Args:
        peaks: T frames of K peaks.
        largest_jump: in radians a sample.

    Returns:
        Shape ``(T - 1, K)``: an index into the next frame's peaks, or -1 where the sine ends. Two
        peaks are matched where each is the nearest to the other.
    """
    silent = np.where(peaks.amplitude > 0, 0.0, np.inf)
    here, there = peaks.frequency[:-1, :, None], peaks.frequency[1:, None, :]
    distance_TKK = np.abs(here - there) + silent[:-1, :, None] + silent[1:, None, :]
    forward, backward = distance_TKK.argmin(axis=2), distance_TKK.argmin(axis=1)
    returned = np.take_along_axis(backward, forward, axis=1)
    is_mutual = returned == np.arange(forward.shape[1])
    is_near = distance_TKK.min(axis=2) < largest_jump
    return np.where(is_mutual & is_near, forward, -1)


def _zero_phase_spectrum(frames_TF: Array) -> NDArray[np.complex128]:
    """Spectra whose phase is that of the middle sample, at twice the resolution and more."""
    length = frames_TF.shape[1]
    size = 2 ** int(np.ceil(np.log2(2 * length)))
    windowed = frames_TF * hann(length)
    turned = np.zeros((len(windowed), size))
    turned[:, : length // 2] = windowed[:, length // 2 :]
    turned[:, size - length // 2 :] = windowed[:, : length // 2]
    return np.fft.rfft(turned)


def _between_bins(
    spectrum_TB: NDArray[np.complex128],
    rows: NDArray[np.int64],
    bins: NDArray[np.int64],
    shift: Array,
) -> NDArray[np.complex128]:
    """Linear interpolation towards the neighbour on the side of the shift."""
    neighbour = bins + np.where(shift < 0, -1, 1)
    weight = np.abs(shift)
    value: NDArray[np.complex128] = (1 - weight) * spectrum_TB[rows, bins] + weight * spectrum_TB[
        rows, neighbour
    ]
    return value


def _add_sines(peaks: Peaks, following: NDArray[np.int64], hop: int) -> Array:
    """Sum over all sines, one hop from frame to frame."""
    hops = [_one_hop(peaks, frame, nexts, hop) for frame, nexts in enumerate(following)]
    return np.concatenate(hops)


def _one_hop(peaks: Peaks, frame: int, nexts: NDArray[np.int64], hop: int) -> Array:
    here = _sines(peaks, frame)
    there = _sines(peaks, frame + 1)
    goes_on = nexts >= 0
    ends = (here[0] > 0) & ~goes_on
    begins = there[0] > 0
    begins[nexts[goes_on]] = False
    amplitude, frequency, phase = here[:, goes_on]
    amplitude_next, frequency_next, phase_next = there[:, nexts[goes_on]]
    glide = _cubic_phase(frequency, phase, frequency_next, phase_next, hop)
    steps = np.arange(hop)
    ramp = steps / hop
    amplitudes = amplitude[:, None] + (amplitude_next - amplitude)[:, None] * ramp
    sound: Array = (
        np.einsum("kh,kh->h", amplitudes, np.cos(glide))
        + (1 - ramp) * _steady(here[:, ends], steps)
        + ramp * _steady(there[:, begins], steps - hop)
    )
    return sound


def _sines(peaks: Peaks, frame: int) -> Array:
    """Amplitude, frequency and phase of one frame, shape ``(3, K)``."""
    return np.stack([peaks.amplitude[frame], peaks.frequency[frame], peaks.phase[frame]])


def _steady(sines: Array, steps: NDArray[np.int64]) -> Array:
    """Sines that are born or die keep their frequency."""
    amplitude, frequency, phase = sines
    waves = np.cos(phase[:, None] + frequency[:, None] * steps)
    sound: Array = np.einsum("k,kh->h", amplitude, waves)
    return sound


def _cubic_phase(
    frequency: Array, phase: Array, frequency_next: Array, phase_next: Array, hop: int
) -> Array:
    """The smoothest phase that meets phase and frequency at both ends (as in the paper)."""
    middle = phase + (frequency + frequency_next) * hop / 2
    turns = np.rint((middle - phase_next) / (2 * np.pi))
    gap = phase_next - phase - frequency * hop + 2 * np.pi * turns
    bend = frequency_next - frequency
    square = 3 / hop**2 * gap - bend / hop
    cube = -2 / hop**3 * gap + bend / hop**2
    steps = np.arange(hop, dtype=np.float64)
    return phase[:, None] + steps * (
        frequency[:, None] + steps * (square[:, None] + steps * cube[:, None])
    )
