"""The normal numbers behind every noise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mosdata.augment.normals import BLOCK, normal_noise


def test_they_are_normal_and_white() -> None:
    """Moments, distribution, tails and correlations, each within five standard errors."""
    from scipy import stats

    noise = normal_noise(5, 2_000_000).astype(np.float64)
    error = len(noise) ** -0.5
    assert abs(noise.mean()) < 5 * error
    assert abs(noise.var() - 1) < 5 * error * 2**0.5
    assert abs(stats.skew(noise)) < 5 * error * 6**0.5
    assert abs(stats.kurtosis(noise)) < 5 * error * 24**0.5
    assert stats.kstest(noise[:500_000], "norm").pvalue > 1e-4
    wanted = 2 * stats.norm.sf(4) * len(noise)
    assert abs(np.count_nonzero(np.abs(noise) > 4) - wanted) < 5 * wanted**0.5
    pairs = noise[: len(noise) // BLOCK * BLOCK].reshape(-1, 2, BLOCK // 2)
    for first, second in ((noise[:-1], noise[1:]), (pairs[:, 0].ravel(), pairs[:, 1].ravel())):
        for power in (1, 2):
            found = np.corrcoef(first**power, second**power)[0, 1]
            assert abs(found) < 5 * len(first) ** -0.5


@pytest.mark.parametrize("num_samples", [0, 1, BLOCK // 2 + 1, BLOCK, BLOCK + 1])
def test_a_longer_noise_begins_with_the_shorter(num_samples: int) -> None:
    """Of any length, across the ends of blocks; other seeds share nothing."""
    longer = normal_noise(9, 3 * BLOCK)
    assert np.array_equal(normal_noise(9, num_samples), longer[:num_samples])
    assert not np.array_equal(normal_noise(10, BLOCK), longer[:BLOCK])


def test_they_are_the_same_everywhere() -> None:
    """A checksum of what one machine made holds on all."""
    digest = hashlib.sha256(normal_noise(1, 100_000).astype("<f4").tobytes()).hexdigest()
    assert digest == "d5535ff59def48e6568a29b3223503b4a62f9dc2c20f7d1d817d82cf304d1762"
