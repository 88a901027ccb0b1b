"""RMSE_human: how far one listener is from the mean of all who rated the clip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mosdata.manifests.ids import JSON
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Panel

METHOD: Final = "sqrt(sum s²(N - 1) / sum N) over clips with two votes or more"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanError:
    """The human RMSE of a panel.

    Args:
        rmse: eq. (1) of Tamm et al. 2023, in points.
        rmse_unquantised: less the noise of rounding to the scale's step, step² / 12.
        step: distance of neighbouring scores; 0 for a slider.
        num_clips: clips that it is of.
        num_ratings: ratings of those clips.
        num_clips_one_vote: left out: one vote has no spread.
        num_clips_without_std: left out: a published mean without its standard deviation.
    """

    rmse: Estimate
    rmse_unquantised: Estimate
    step: float
    num_clips: int
    num_ratings: int
    num_clips_one_vote: int
    num_clips_without_std: int

    def to_json(self) -> dict[str, JSON]:
        """Every field by its name."""
        return {
            "rmse": self.rmse.to_json(),
            "rmse_unquantised": self.rmse_unquantised.to_json(),
            "step": self.step,
            "num_clips": self.num_clips,
            "num_ratings": self.num_ratings,
            "num_clips_one_vote": self.num_clips_one_vote,
            "num_clips_without_std": self.num_clips_without_std,
        }


def rmse_human(panel: Panel) -> HumanError:
    """The human RMSE, ``sqrt(sum_j s_j² (N_j - 1) / sum_j N_j)``, and the same without rounding.

    ``s_j`` is the standard deviation (n - 1) of the ``N_j`` votes of clip ``j``, so this is the
    error of one vote about the mean of its clip, and not that of the mean (XLS-R analysis, Tamm
    et al. 2023, section 5, eq. 1). Listeners who may only give whole steps are off by that alone:
    uniform noise of variance step² / 12, which the second form takes away.

    Example:
        >>> import pyarrow as pa
        >>> table = pa.table({"clip_id": ["a", "a", "b", "b"], "value": [3.0, 4.0, 2.0, 4.0]})
        >>> round(rmse_human(Panel.from_ratings(table)).rmse.value, 6)
        0.790569
    """
    stats = panel.clips
    several_C = stats.votes_C > 1
    known_C = several_C & np.isfinite(stats.ss_C)
    num_ratings = int(stats.votes_C[known_C].sum())
    step = float(panel.scale.step)
    rmse, unquantised = _errors(float(stats.ss_C[known_C].sum()), num_ratings, step)
    return HumanError(
        rmse=rmse,
        rmse_unquantised=unquantised,
        step=step,
        num_clips=int(np.count_nonzero(known_C)),
        num_ratings=num_ratings,
        num_clips_one_vote=int(np.count_nonzero(stats.votes_C == 1)),
        num_clips_without_std=int(np.count_nonzero(several_C & ~known_C)),
    )


def _errors(squares: float, num_ratings: int, step: float) -> tuple[Estimate, Estimate]:
    less = f"{METHOD}, less {step:g}²/12"
    if not num_ratings:
        few = "no clip has two votes or more of known spread"
        return Estimate.unknown(METHOD, few), Estimate.unknown(less, few)
    rest = squares / num_ratings - step**2 / 12
    rmse = Estimate.of(math.sqrt(squares / num_ratings), METHOD)
    if rest < 0:
        return rmse, Estimate.unknown(less, "votes of a clip differ less than rounding alone would")
    return rmse, Estimate.of(math.sqrt(rest), less)
