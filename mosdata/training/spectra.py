"""The two embedded front ends, in plain torch: log-mel bands and MFCC.

Shapes: ``S`` samples, ``K`` frequency bins, ``T`` frames, ``D`` features per frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mosdata.audio import Clip
from mosdata.errors import InvalidValue

AMIN = 1e-10
"""Power floor of the decibel scale: -100 dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMel:
    """Log-power mel bands: 25 ms Hann windows every 10 ms, HTK triangles, dB re full scale.

    The only floor is -100 dB, so a clip's absolute level and its silences stay visible.
    """

    name: str = "logmel"
    revision: str = "1"
    sample_rate_hz: int = 16_000
    num_fft: int = 512
    num_window: int = 400
    num_hop: int = 160
    width: int = 80

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate_hz / self.num_hop

    def encode(self, clip: Clip) -> Tensor:
        """Frames of one clip: shape ``(T, 80)`` in dB, ``T = num_samples // 160 + 1``."""
        power_KT = power_spectrum(
            samples_of(clip, self.sample_rate_hz),
            num_fft=self.num_fft,
            num_window=self.num_window,
            num_hop=self.num_hop,
        )
        bank_KD = mel_triangles(self.width, self.num_fft // 2 + 1, self.sample_rate_hz)
        return decibels(power_KT.T @ bank_KD)


@dataclass(frozen=True, slots=True, kw_only=True)
class MFCC:
    """40 cepstral coefficients with the defaults of ``torchaudio.transforms.MFCC`` at 16 kHz.

    400-point Hann windows every 200 samples, 128 HTK triangles without area norm, dB clipped
    80 dB below the clip's loudest band, orthonormal DCT-II. The front end of the XLS-R study
    (Tamm et al. 2023, section 2.4).
    """

    name: str = "mfcc"
    revision: str = "1"
    sample_rate_hz: int = 16_000
    num_fft: int = 400
    num_hop: int = 200
    num_mels: int = 128
    top_db: float = 80.0
    width: int = 40

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate_hz / self.num_hop

    def encode(self, clip: Clip) -> Tensor:
        """Frames of one clip: shape ``(T, 40)``, ``T = num_samples // 200 + 1``."""
        power_KT = power_spectrum(
            samples_of(clip, self.sample_rate_hz),
            num_fft=self.num_fft,
            num_window=self.num_fft,
            num_hop=self.num_hop,
        )
        bank_KM = mel_triangles(self.num_mels, self.num_fft // 2 + 1, self.sample_rate_hz)
        bands_TM = decibels(power_KT.T @ bank_KM)
        bands_TM = bands_TM.clamp(min=float(bands_TM.max()) - self.top_db)
        return bands_TM @ cosine_basis(self.width, self.num_mels)


def samples_of(clip: Clip, sample_rate_hz: int) -> Tensor:
    """The samples as a tensor.

    Raises:
        InvalidValue: the clip is at another rate; resample it at the door.
    """
    if clip.sample_rate_hz != sample_rate_hz:
        raise InvalidValue("The clip's rate", clip.sample_rate_hz, f"{sample_rate_hz} Hz")
    return torch.tensor(clip.samples)  # a copy: those of a file cannot be written to


def power_spectrum(samples_S: Tensor, *, num_fft: int, num_window: int, num_hop: int) -> Tensor:
    """Power of centred, mirrored Hann frames: shape ``(K, T)``, ``T = S // num_hop + 1``."""
    # Mirroring needs more samples than it mirrors; shorter clips get silence at their end.
    short = num_fft // 2 + 1 - len(samples_S)
    if short > 0:
        samples_S = torch.nn.functional.pad(samples_S, (0, short))
    spectrum_KT = torch.stft(
        samples_S,
        num_fft,
        hop_length=num_hop,
        win_length=num_window,
        window=torch.hann_window(num_window),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    return spectrum_KT.abs() ** 2


def decibels(power: Tensor) -> Tensor:
    """``10 log10`` of power, floored at -100 dB."""
    return 10 * torch.log10(power.clamp(min=AMIN))


@lru_cache(maxsize=8)
def mel_triangles(num_bands: int, num_bins: int, sample_rate_hz: int) -> Tensor:
    """Triangular filters of height 1, evenly spaced in HTK mel: shape ``(K, D)``.

    HTK: ``mel = 2595 log10(1 + f / 700)``.
    """
    bins_hz_K = torch.linspace(0, sample_rate_hz // 2, num_bins)
    top_mel = 2595 * math.log10(1 + sample_rate_hz / 2 / 700)
    corners_mel = torch.linspace(0, top_mel, num_bands + 2)
    corners_hz = 700 * (10 ** (corners_mel / 2595) - 1)
    steps_hz = corners_hz.diff()
    distance_KC = corners_hz - bins_hz_K[:, None]
    rising_KD = -distance_KC[:, :-2] / steps_hz[:-1]
    falling_KD = distance_KC[:, 2:] / steps_hz[1:]
    return torch.minimum(rising_KD, falling_KD).clamp(min=0)


@lru_cache(maxsize=8)
def cosine_basis(num_coefficients: int, num_bands: int) -> Tensor:
    """Orthonormal DCT-II: shape ``(bands, coefficients)``."""
    band_M1 = torch.arange(num_bands, dtype=torch.float32)[:, None]
    order_D = torch.arange(num_coefficients, dtype=torch.float32)
    basis_MD = torch.cos(math.pi / num_bands * (band_M1 + 0.5) * order_D)
    basis_MD[:, 0] *= 1 / math.sqrt(2)
    return basis_MD * math.sqrt(2 / num_bands)
