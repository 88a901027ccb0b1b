"""Packets that do not arrive: holes, or what a receiver makes up for them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.concealment import conceal
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.packets import (
    BURST_PACKETS,
    PACKET_S,
    bursts_of,
    fading_packets,
    lost_packets,
    packet_length,
)
from mosdata.augment.sounding import sounding
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied


class _Loss(LadderCorruption):
    parameters: ClassVar = {
        "loss_fraction": Parameter("share of packets that do not arrive", low=0, high=0.99),
        "burst_packets": Parameter("mean length of a burst of losses", low=1, high=50),
        "packet_s": Parameter("length of a packet", low=0.005, high=0.12),
        "num_fading": Parameter(
            "packets that are lost in part: 1 on the ladder", low=0, high=1, choices=(0, 1)
        ),
    }
    largest_fraction: ClassVar[float]

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """A share of all packets of 20 ms that grows with the square, in bursts of 1.5."""
        return {
            "loss_fraction": round(self.largest_fraction * position**2, 9),
            "burst_packets": BURST_PACKETS,
            "packet_s": PACKET_S,
            "num_fading": 1,
        }

    def complete(
        self, given: Mapping[str, float], position: float, sample_rate_hz: int
    ) -> dict[str, float]:
        """Whole packets where a share of them is given."""
        whole = {"num_fading": 0} if "loss_fraction" in given else {}
        return {**self.scale(position, sample_rate_hz), **whole, **given}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Lose the packets; of the one that goes next, a part."""
        if not number(applied, "num_fading", of_old=0):
            return self.lose(clip, gaps_of(clip, applied))
        heard = sounding(clip.samples, _length(clip, applied))
        parts = fading_packets(heard, **_chance_of(applied))
        harmed = self.lose(clip, _gaps(clip, applied, parts == 1))
        after = self.lose(clip, _gaps(clip, applied, parts > 0))
        after -= harmed
        after *= np.float32(parts[parts < 1].max(initial=0))
        harmed += after
        return harmed

    @abstractmethod
    def lose(self, clip: Clip, gaps: Sequence[tuple[int, int]]) -> Samples:
        """A copy of the samples without what lies in the gaps."""

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``loss_seed``."""
        return {"loss_seed": draw_seed(rng)}


class PacketLoss(_Loss):
    """Replace lost packets by digital silence, with no concealment at all.

    Losses come in bursts, as from Gilbert's channel; see :func:`packets.lost_packets`. The edges
    are hard, as those of a receiver that plays zeros. A higher level loses the same packets and
    more; of the ladder's, the one that goes next is turned down, so no two levels are the same in
    a short clip, and packets of digital silence are passed over. A share of packets that is given
    loses whole ones, whatever is in them.

    Source: bursts as in the bad state of Gilbert's channel (Bell Syst. Tech. J. 39, 1960).

    audiomentations knows no packets: its ``TimeMask`` makes one hole.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import clip as hiss
        >>> clip = hiss(2.0)
        >>> values = {"packet_loss": {"loss_fraction": 0.1}}
        >>> _, lost = harm(["packet_loss"], 1, clip, seed=1, record_id="a", values=values)
        >>> packets = lost.samples.reshape(-1, 320)  # of 20 ms
        >>> int((packets == 0).all(axis=1).sum())
        10
    """

    name = "packet_loss"
    largest_fraction = 0.4

    def lose(self, clip: Clip, gaps: Sequence[tuple[int, int]]) -> Samples:
        """Silence the gaps."""
        harmed = clip.samples.copy()
        for start, stop in gaps:
            harmed[start:stop] = 0
        return harmed


class PacketLossConcealed(_Loss):
    """Replace lost packets by what the last ones suggest: pitch periods that fade away.

    Concealment in the manner of ITU-T G.711 Appendix I, at any rate; see :mod:`concealment`. The
    losses are those of ``packet_loss``.

    audiomentations knows no packets.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(2.0)
        >>> values = {"packet_loss_concealed": {"loss_fraction": 0.1}}
        >>> _, heard = harm(
        ...     ["packet_loss_concealed"], 1, clip, seed=1, record_id="a", values=values
        ... )
        >>> changed = (heard.samples != clip.samples).reshape(-1, 320).any(axis=1)
        >>> int(changed.sum()) >= 10  # the lost packets, and fades after them
        True
    """

    name = "packet_loss_concealed"
    largest_fraction = 0.6

    def lose(self, clip: Clip, gaps: Sequence[tuple[int, int]]) -> Samples:
        """Fill the gaps one after the other, each from what was heard before it."""
        harmed = clip.samples.copy()
        for start, stop in gaps:
            conceal(harmed, start, stop, sample_rate_hz=clip.sample_rate_hz)
        return harmed


def gaps_of(clip: Clip, applied: Applied) -> list[tuple[int, int]]:
    """First sample and the one after the last, of every run of lost packets, whole ones."""
    num_packets = -(-clip.num_samples // _length(clip, applied))
    return _gaps(clip, applied, lost_packets(num_packets, **_chance_of(applied)))


def _chance_of(applied: Applied) -> dict[str, Any]:
    """What is lost."""
    return {
        "fraction": number(applied, "loss_fraction"),
        "burst_packets": number(applied, "burst_packets"),
        "seed": int(number(applied, "loss_seed")),
    }


def _length(clip: Clip, applied: Applied) -> int:
    packet_s = number(applied, "packet_s")
    return packet_length(clip.num_samples, clip.sample_rate_hz, packet_s=packet_s)


def _gaps(clip: Clip, applied: Applied, lost: NDArray[np.bool_]) -> list[tuple[int, int]]:
    length = _length(clip, applied)
    return [
        (first * length, min(last * length, clip.num_samples)) for first, last in bursts_of(lost)
    ]
