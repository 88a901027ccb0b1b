"""The voice that comes back."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter
from mosdata.augment.ladder import LadderCorruption, number
from mosdata.augment.speech_level import active_level_dbfs, gain_of
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

SHORTEST_S: Final = 0.08
LONGEST_S: Final = 0.30
"""Where echoes of telephone calls lie (ITU-T G.131); shorter ones colour rather than disturb."""

SILENT: Final = 1e-3
"""Repetitions are added down to -60 dB."""


class Echo(LadderCorruption):
    """Add the clip to itself once more, later and softer; with feedback again and again.

    ``y[t] = x[t] + g x[t - d] + g f x[t - 2d] + g f**2 x[t - 3d] + ...``. The delay is drawn,
    log-uniform from 80 to 300 ms (at most half of the clip); the gain is the level. The direct
    voice stays where it is, and the active speech level is kept.

    Source: talker echo is the subject of ITU-T G.131; delays and gains are those that TCD-VoIP
    rates (Harte, Gillen & Hines, QoMEX 2015) and a little beyond.

    audiomentations has no echo.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"echo": {"echo_db": -10}}
        >>> (applied,), _ = harm(["echo"], 1, clip, seed=1, record_id="a", values=values)
        >>> 0.08 * 16_000 <= applied.params["delay_samples"] <= 0.3 * 16_000
        True
    """

    name = "echo"
    parameters: ClassVar = {
        "echo_db": Parameter("level of the first echo, relative to the voice", low=-80, high=0),
        "feedback": Parameter(
            "amplitude of every further echo, relative to the last", low=0, high=0.95
        ),
    }

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """-50 + 50 position dB, with a feedback of 0.6 position."""
        return {"echo_db": round(-50 + 50 * position, 4), "feedback": round(0.6 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``delay_samples``."""
        delay_s = SHORTEST_S * (LONGEST_S / SHORTEST_S) ** rng.random()
        delay = min(round(delay_s * clip.sample_rate_hz), clip.num_samples // 2)
        return {"delay_samples": max(1, delay)}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Add the echoes one by one."""
        delay = max(1, int(number(applied, "delay_samples")))
        gain = float(gain_of(number(applied, "echo_db")))
        voice = clip.samples
        echoed = voice.copy()
        for place in range(delay, clip.num_samples, delay):
            echoed[place:] += np.float32(gain) * voice[:-place]
            gain *= number(applied, "feedback")
            if gain < SILENT:
                break
        loudness = Clip(echoed, clip.sample_rate_hz)
        return echoed * gain_of(active_level_dbfs(clip) - active_level_dbfs(loudness))
