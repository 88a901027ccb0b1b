"""Recorded noise from a folder."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mosdata.audio import Clip, Samples
from mosdata.augment.base import Parameter, Pool
from mosdata.augment.ladder import LadderCorruption, draw_seed, number
from mosdata.augment.mixing import audible_start, looped_part, with_noise
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.ids import JSON, unit_hash
from mosdata.manifests.rows import Applied


class BackgroundNoise(LadderCorruption):
    """Add recorded noise from files, at a ratio to the active speech.

    A file and a place in it are drawn; the file is looped without a seam where the clip is
    longer. The ratio is that of the active speech to the root mean square of the part that is
    heard, not of the whole file. The file is chosen by a hash of its name, so a folder that lost
    one file gives every other record the same noise as before.

    Source: the ratio is that of the active speech level (ITU-T P.56) to the power of the noise.

    ``AddBackgroundNoise`` of audiomentations measures the file before it loops and cuts it, takes
    the power of the whole clip, and resamples a file of another rate anew for every clip.

    Args:
        pool: with files of noise; needed to draw and to apply at levels above 0.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.augment.pool import MemoryPool
        >>> from mosdata.testing import speechlike
        >>> clip, street = speechlike(1.0), speechlike(3.0, seed=4)
        >>> pool = MemoryPool({}, files={"noise": {"street.wav": street}})
        >>> (applied,), _ = harm(
        ...     ["background_noise"], 0.5, clip, seed=1, record_id="a", pool=pool
        ... )
        >>> applied.params["noise_file"]
        'street.wav'
    """

    name = "background_noise"
    parameters: ClassVar = {"snr_db": Parameter("active speech over noise", low=-40, high=100)}

    def __init__(self, *, pool: Pool | None = None) -> None:
        self._pool = pool

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """60 - 65 position dB."""
        return {"snr_db": round(60 - 65 * position, 4)}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:
        """``noise_file`` and ``start_sample``.

        Raises:
            InvalidValue: no noise was given.
            RecordRejected: ``no_noise``: no file is audible over the length of the clip.
        """
        choice, place = draw_seed(rng), rng.random()
        files = self._require_files().files("noise")
        for file_id in sorted(files, key=lambda file_id: unit_hash(f"{choice}/{file_id}")):
            try:
                other = self._require_files().file_clip("noise", file_id, clip.sample_rate_hz)
                start = audible_start(other, place)
            except RecordRejected:  # a silent or broken noise is not this clip's fault
                continue
            return {"noise_file": file_id, "start_sample": start}
        raise RecordRejected(
            "no_noise", f"None of the {len(files)} noise files has sound in it; give others."
        )

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Mix, with the noise scaled by what is heard of it: the ratio is exact."""
        file_id = str(applied.params.get("noise_file"))
        other = self._require_files().file_clip("noise", file_id, clip.sample_rate_hz)
        part = looped_part(other, int(number(applied, "start_sample")), clip.num_samples)
        return with_noise(clip, part, snr_db=number(applied, "snr_db"))

    def _require_files(self) -> Pool:
        if self._pool is None or not self._pool.files("noise"):
            raise InvalidValue(
                "noise", "no file", "a folder of recordings (--noise FOLDER): one is mixed in"
            )
        return self._pool
