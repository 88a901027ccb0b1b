"""Which packets a network loses."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mosdata.augment.sounding import parts_of_turns

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
    lost = np.zeros(num_packets, np.bool_)
    order = order_of_loss(num_packets, burst_packets=burst_packets, seed=seed)
    lost[order[: min(num_packets - 1, wanted)]] = True
    return lost


def fading_packets(
    heard: NDArray[np.bool_], *, fraction: float, burst_packets: float, seed: int
) -> NDArray[np.float64]:
    """How much of each packet is lost: 1 of most that are, and a part of the one that goes next.

    In the order of :func:`lost_packets`, but from packet to packet, so any greater fraction is more
    loss, however short the clip. Packets of digital silence are not sent: where one of them would
    go, more of the next one that sounds does. One of those that sound arrives, in part.

    Args:
        heard: which packets sound; one of them at least.
        fraction: share of all packets that has gone, with those of silence, and the last one in
            part.
        burst_packets: as there.
        seed: as there.
    """
    order = order_of_loss(len(heard), burst_packets=burst_packets, seed=seed)
    places = np.arange(len(heard), dtype=np.float64)
    ends = places + 1
    ends[np.flatnonzero(heard[order])[-1]] = len(heard)
    parts = np.empty(len(heard))
    parts[order] = parts_of_turns(fraction * len(heard), places, ends, heard[order])
    return parts


def order_of_loss(num_packets: int, *, burst_packets: float, seed: int) -> NDArray[np.int64]:
    """All packets in the order in which they go, burst by burst."""
    generator = np.random.Generator(np.random.SFC64(seed))
    starts = generator.permutation(num_packets)
    lengths = generator.geometric(1 / burst_packets, num_packets)
    order: dict[int, None] = {}
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if start not in order:
            burst = range(start, start + length)
            order.update(dict.fromkeys(place % num_packets for place in burst))
    return np.fromiter(order, np.int64, num_packets)


def bursts_of(lost: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First packet and the one after the last, of every run of lost packets."""
    edges = np.diff(np.concatenate([[0], lost.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [*zip(starts.tolist(), stops.tolist(), strict=True)]
