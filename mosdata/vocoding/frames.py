"""Cutting samples into overlapping frames and adding frames up again.

Shapes: T frames, F samples a frame. Sums run in a fixed order and no matrix library is involved,
so the number of threads never changes a bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

FRAMES_AT_ONCE: Final = 1024

Real = TypeVar("Real", np.float32, np.float64)


def cut_frames(samples: NDArray[Real], *, frame_length: int, hop_length: int) -> NDArray[Real]:
    """A read-only view of shape ``(T, F)``; what does not fill a last frame is left out."""
    every = np.lib.stride_tricks.sliding_window_view(samples, frame_length)
    return every[::hop_length]


def runs(num_frames: int) -> Iterator[slice]:
    """All frames, a bounded number at a time: spectra of ten minutes would fill a memory.

    Example:
        >>> [*runs(1500)]
        [slice(0, 1024, None), slice(1024, 1500, None)]
    """
    for start in range(0, num_frames, FRAMES_AT_ONCE):
        yield slice(start, min(start + FRAMES_AT_ONCE, num_frames))


def overlap_add(frames_TF: NDArray[Real], *, hop_length: int) -> NDArray[Real]:
    """The inverse of :func:`cut_frames` up to the window's sum.

    Args:
        frames_TF: F is a multiple of ``hop_length``.
        hop_length: samples between the starts of neighbours.

    Returns:
        ``(T - 1) * hop_length + F`` samples.

    Example:
        >>> overlap_add(np.ones((3, 4)), hop_length=2)
        array([1., 1., 2., 2., 2., 2., 1., 1.])
    """
    num_frames, frame_length = frames_TF.shape
    num_parts = frame_length // hop_length
    sums = np.zeros((num_frames + num_parts - 1, hop_length), frames_TF.dtype)
    for part in range(num_parts):
        start = part * hop_length
        sums[part : part + num_frames] += frames_TF[:, start : start + hop_length]
    return sums.reshape(-1)


def hann(length: int) -> NDArray[np.float64]:
    """The periodic Hann window: copies at ``length / 2`` add up to exactly one."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
