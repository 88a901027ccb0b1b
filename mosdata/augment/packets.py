"""Which packets a network loses."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

PACKET_S: Final = 0.020
BURST_PACKETS: Final = 1.5
"""Mean length of a burst of losses, where nothing else is said."""


def packet_length(num_samples: int, sample_rate_hz: int, *, packet_s: float) -> int:
    """Samples in a packet; a clip that is shorter than two packets has two shorter ones."""
    return max(1, min(round(packet_s * sample_rate_hz), num_samples // 2))


def lost_packets(
    num_packets: int, *, fraction: float, burst_packets: float, seed: int
) -> NDArray[np.bool_]:
    """A mask of lost packets; a higher fraction of the same seed loses the same ones and more.

    Bursts come one by one in a drawn order: each begins at a packet that is not lost yet and goes
    on over packets with a length drawn from the geometric distribution, as the bad state of
    Gilbert's (1960) channel does. A fraction says how far the order is followed; the last burst is
    cut, so the number of packets is exact. Where bursts meet they are one, as on the channel; what
    runs over the end of the clip comes in at its start.

    Args:
        num_packets: in the clip.
        fraction: share of packets that are lost: at least one is, and one arrives.
        burst_packets: mean length of a burst as it is drawn; 1 for losses that are independent of
            each other (and now and then follow one another).
        seed: of the order and of the lengths.
    """
    wanted = max(1, math.ceil(round(fraction * num_packets, 6)))
    return _first_lost(num_packets, wanted, burst_packets=burst_packets, seed=seed)


def fading_packets(
    num_packets: int, *, fraction: float, burst_packets: float, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """Packets that are lost, the same and the one that goes next, and how much of that one goes.

    As :func:`lost_packets`, but from packet to packet: the share grows from 0 to 1, so any greater
    fraction is more loss, however short the clip. Half a packet more than the fraction says is
    lost, as much as whole packets, of which part of one is one, lose in the mean.
    """
    wanted = min(num_packets - 1.0, fraction * num_packets + 0.5)
    whole = math.floor(wanted)
    lost, more = (
        _first_lost(num_packets, count, burst_packets=burst_packets, seed=seed)
        for count in (whole, whole + 1)
    )
    return lost, more, wanted - whole


def _first_lost(
    num_packets: int, wanted: int, *, burst_packets: float, seed: int
) -> NDArray[np.bool_]:
    """As many packets as are wanted in the order of their loss, but for one that arrives."""
    lost = np.zeros(num_packets, np.bool_)
    wanted = min(num_packets - 1, wanted)
    generator = np.random.Generator(np.random.SFC64(seed))
    starts = generator.permutation(num_packets)
    lengths = generator.geometric(1 / burst_packets, num_packets)
    left = wanted
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if left <= 0:
            break
        if lost[start]:
            continue
        for place in range(start, start + length):
            if left <= 0:
                break
            left -= not lost[place % num_packets]
            lost[place % num_packets] = True
    return lost


def bursts_of(lost: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First packet and the one after the last, of every run of lost packets."""
    edges = np.diff(np.concatenate([[0], lost.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [*zip(starts.tolist(), stops.tolist(), strict=True)]
