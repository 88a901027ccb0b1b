"""Packets that come at the wrong time."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.packets import PACKET_S, packet_length
from mosdata.augment.sounding import SPARES_SILENCE, parts_of_turns, sounding_for
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

SHORTEST_DELAY: Final = 1
LONGEST_DELAY: Final = 3
"""Packets that are played late before the receiver makes up for it."""

DEEPEST: Final = 3
"""Packets by which it may fall behind."""

SEAM_S: Final = 0.002


class Jitter(LadderCorruption):
    """Play packets late and make up for it: repeat some here, leave some out there.

    Where a packet is late the receiver plays the last ones once more, one to three of them, and
    falls behind by as many; 1 to 3 packets later it leaves as many out and has caught up. The clip
    keeps its length and ends in time; in between it is not aligned with the clean one, by up to
    ``3 * packet_s`` seconds (``aligned`` is false in the row). Where packets meet that did not
    follow each other, 2 ms are blended. A higher level has the same delays and more, until no
    more fit; between two numbers of delays the last one is mixed in. Where digital silence
    would take the place of digital silence the next delay is mixed in instead.

    Source: packet delay variation is defined in ITU-T Y.1540; what is modelled is a receiver with
    a short buffer, which plays on and catches up.

    audiomentations knows no packets.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(2.0)
        >>> values = {"jitter": {"late_fraction": 0.1}}
        >>> (applied,), late = harm(["jitter"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params["aligned"], late.num_samples == clip.num_samples
        (False, True)
    """

    name = "jitter"
    parameters: ClassVar = {
        "late_fraction": Parameter("delays, relative to all packets", low=0, high=0.25),
        "packet_s": Parameter("length of a packet", low=0.005, high=0.12),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """0.18 position**2 of all packets of 20 ms."""
        return {"late_fraction": round(0.18 * position**2, 9), "packet_s": PACKET_S}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``jitter_seed``, ``aligned`` and ``spares_silence``."""
        return {"jitter_seed": draw_seed(rng), "aligned": False, **SPARES_SILENCE}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Play each delayed part late, blended at both of its ends."""
        packet_s = number(applied, "packet_s")
        length = packet_length(clip.num_samples, clip.sample_rate_hz, packet_s=packet_s)
        blend = round(SEAM_S * clip.sample_rate_hz)
        played = clip.samples.copy()
        for delay in delays_of(
            sounding_for(clip.samples, length, applied)[: clip.num_samples // length],
            fraction=number(applied, "late_fraction"),
            seed=int(number(applied, "jitter_seed")),
        ):
            start, stop = delay.first * length, delay.last * length
            shift = delay.packets * length
            late = np.concatenate(
                [clip.samples[start - shift : stop - shift], clip.samples[stop : stop + blend]]
            )
            _blend_in(late[:blend], clip.samples[start : start + blend])
            _blend_in(late[stop - start :], clip.samples[stop - shift :])
            late -= played[start : start + len(late)]
            played[start : start + len(late)] += np.float32(delay.share) * late
        return played


class Delay(NamedTuple):
    """A part of the clip that is played late.

    Args:
        first: packet with which it begins.
        last: the packet that is in time again.
        packets: how late it is, in packets.
        share: of the late part in what is played, 1 but for the last delay.
    """

    first: int
    last: int
    packets: int
    share: float


def delays_of(heard: NDArray[np.bool_], *, fraction: float, seed: int) -> list[Delay]:
    """All delays that are heard, in the order in which they were drawn; none touches another.

    Args:
        heard: which of the whole packets of the clip sound.
        fraction: delays by packets, as far as they fit, with those of silence. The last one is
            mixed in by what is left to a whole one, so that a little more is a little worse.
        seed: of where packets are late, for how long and by how much; a higher fraction of the
            same seed has the same delays and more.
    """
    num_packets = len(heard)
    generator = np.random.Generator(np.random.SFC64(seed))
    starts = generator.permutation(num_packets)
    lengths = generator.integers(SHORTEST_DELAY, LONGEST_DELAY, num_packets, endpoint=True)
    depths = generator.integers(1, DEEPEST, num_packets, endpoint=True)
    taken = np.zeros(num_packets + 1, np.bool_)
    fitting: list[tuple[int, int, int]] = []
    for start, length, depth in zip(
        starts.tolist(), lengths.tolist(), depths.tolist(), strict=True
    ):
        stop = start + length
        # A packet on either side is in time, the last one of the clip too.
        if depth <= start and stop < num_packets and not taken[start - 1 : stop + 1].any():
            taken[start:stop] = True
            fitting.append((start, stop, depth))
    changes = [
        bool(heard[start:stop].any() or heard[start - depth : stop - depth].any())
        for start, stop, depth in fitting
    ]
    places = np.arange(len(fitting), dtype=np.float64)
    front = round(fraction * num_packets, 6)
    parts = parts_of_turns(front, places, places + 1, np.array(changes, np.bool_))
    return [
        Delay(*delay, share)
        for delay, share in zip(fitting, parts.tolist(), strict=True)
        if share > 0
    ]


def _blend_in(part: Samples, before: Samples) -> None:
    """Fade from what would have followed to what follows, in place."""
    rise = np.arange(1, len(part) + 1, dtype=np.float32) / np.float32(len(part) + 1)
    part *= rise
    part += (1 - rise) * before[: len(part)]
