"""RMSE_human: how far one listener is from the mean of all who rated the clip."""

from __future__ import annotations

from dataclasses import dataclass

from mosdata.manifests.ids import JSON
from mosdata.raters.estimate import Estimate
from mosdata.raters.panel import Panel


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
        raise NotImplementedError


def rmse_human(panel: Panel) -> HumanError:
    """The human RMSE."""
    raise NotImplementedError
