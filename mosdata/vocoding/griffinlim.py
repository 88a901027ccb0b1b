"""Griffin-Lim: speech from a mel spectrogram, with a phase that is made up.

The clip is reduced to 80 mel bands. The linear spectrogram comes back by non-negative least
squares (multiplicative updates, Lee & Seung, NIPS 2000), the phase by the fast Griffin-Lim
algorithm (Perraudin, Balazs & Søndergaard, WASPAA 2013) from a random start. This is how the
first Tacotron spoke; it sounds hollow and reverberant.

Shapes: T frames, B bins of the spectrum, M mel bands.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip
from mosdata.vocoding.frames import cut_frames, hann, overlap_add

ADAPTER_VERSION: Final = "1"

WINDOW_S: Final = 0.046
"""Rounded to the nearest power of two: 1024 samples at 22 050 Hz, as in Tacotron."""

OVERLAP: Final = 4
SUM_OF_SQUARES: Final = 1.5
"""What squared Hann windows add up to where four of them lie over every sample."""

NUM_MELS: Final = 80
HIGHEST_HZ: Final = 8000.0
NUM_INVERSION_STEPS: Final = 16
NUM_PHASE_STEPS: Final = 32
MOMENTUM: Final = 0.99
"""The value that Perraudin et al. found best."""

_TINY: Final = np.float32(1e-9)  # keeps silence from dividing by zero

Spectrum = NDArray[np.complexfloating[Any, Any]]
Magnitude = NDArray[np.floating[Any]]
"""In single or in double precision, as the samples are."""


class GriffinLim:
    """Vocoder without a model of speech: magnitudes only."""

    name = "griffinlim"

    def revision(self) -> str:
        """Version of this module and its settings."""
        return f"griffinlim/{ADAPTER_VERSION} mel{NUM_MELS} {NUM_PHASE_STEPS} steps"

    def resynthesize(self, clip: Clip, *, rng: np.random.Generator) -> Clip:
        """Magnitudes from the clip, the first phase from ``rng``."""
        length = 2 ** round(np.log2(WINDOW_S * clip.sample_rate_hz))
        window = hann(length).astype(np.float32)
        magnitude_TB = np.abs(stft(padded(clip.samples, length), window))
        mels = mel_filters(length, clip.sample_rate_hz)
        rebuilt_TB = invert_mels(mels @ magnitude_TB.T, mels).T
        rebuilt_TB = np.ascontiguousarray(rebuilt_TB)
        turns_TB = rng.random(rebuilt_TB.shape, np.float32)
        samples = find_phase(polar(rebuilt_TB, turns_TB), rebuilt_TB, window, NUM_PHASE_STEPS)
        return Clip(samples[length : length + clip.num_samples], clip.sample_rate_hz)


@cache
def mel_filters(window_length: int, sample_rate_hz: int, num_mels: int = NUM_MELS) -> Any:
    """Triangles of equal width on the mel scale, with unit height.

    Args:
        window_length: length of the Fourier transform in samples.
        sample_rate_hz: rate of the samples.
        num_mels: number of triangles.

    Returns:
        A sparse float32 matrix of shape ``(M, B)``; mel as in O'Shaughnessy (1987).
    """
    from scipy.sparse import csr_array

    highest_hz = min(HIGHEST_HZ, sample_rate_hz / 2)
    edges_mel = np.linspace(0, 2595 * np.log10(1 + highest_hz / 700), num_mels + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins_hz = np.arange(window_length // 2 + 1) * sample_rate_hz / window_length
    low, mid, high = (edges_hz[i : i + num_mels, None] for i in range(3))
    rising, falling = (bins_hz - low) / (mid - low), (high - bins_hz) / (high - mid)
    return csr_array(np.clip(np.minimum(rising, falling), 0, None).astype(np.float32))


def invert_mels(mels_MT: Magnitude, filters: Any) -> Magnitude:
    """The non-negative spectrogram ``(B, T)`` whose mel bands come closest to the given ones."""
    target_BT = filters.T @ mels_MT
    spectrum_BT: Magnitude = target_BT.copy()
    for _ in range(NUM_INVERSION_STEPS):
        spectrum_BT *= target_BT / (filters.T @ (filters @ spectrum_BT) + _TINY)
    return spectrum_BT


def find_phase(
    guess_TB: Spectrum, magnitude_TB: Magnitude, window: Magnitude, num_steps: int
) -> NDArray[np.float32]:
    """Samples whose spectrogram comes close to the given magnitudes.

    Args:
        guess_TB: where the search for the phase starts; overwritten.
        magnitude_TB: the magnitudes.
        window: as for :func:`stft`.
        num_steps: of the fast Griffin-Lim algorithm.
    """
    before_TB = np.zeros_like(guess_TB)
    for _ in range(num_steps):
        consistent_TB = stft(istft(guess_TB, window), window)
        np.subtract(consistent_TB, before_TB, out=guess_TB)
        guess_TB *= MOMENTUM
        guess_TB += consistent_TB
        guess_TB *= magnitude_TB / (np.abs(guess_TB) + _TINY)
        before_TB = consistent_TB
    return istft(guess_TB, window)


def polar(magnitude: Magnitude, turns: Magnitude) -> Spectrum:
    """Magnitudes with a phase in turns of the circle."""
    angle = magnitude.dtype.type(2 * np.pi) * turns
    spectrum = np.empty(magnitude.shape, np.result_type(magnitude, np.complex64))
    spectrum.real = magnitude * np.cos(angle)
    spectrum.imag = magnitude * np.sin(angle)
    return spectrum


def padded(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Silence around, so that every sample lies under as many windows as any other."""
    hop = length // OVERLAP
    return np.pad(samples, (length, length + -len(samples) % hop))


def stft(samples: NDArray[np.float32], window: Magnitude) -> Spectrum:
    """Spectra of frames that overlap four times."""
    from scipy import fft

    frames = cut_frames(samples, frame_length=len(window), hop_length=len(window) // OVERLAP)
    spectrum: Spectrum = fft.rfft(frames * window, overwrite_x=True)
    return spectrum


def istft(spectrum_TB: Spectrum, window: Magnitude) -> NDArray[np.float32]:
    """The inverse of :func:`stft`, but for the first and last three hops."""
    from scipy import fft

    frames_TF = fft.irfft(spectrum_TB, n=len(window))
    frames_TF *= window * window.dtype.type(1 / SUM_OF_SQUARES)
    sums: NDArray[np.float32] = overlap_add(frames_TF, hop_length=len(window) // OVERLAP)
    return sums
