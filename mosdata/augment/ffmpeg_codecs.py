"""Codecs that only FFmpeg has, through PyAV (``mosdata[codecs]``): AMR and G.722."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from mosdata.audio import Clip, Pcm, Samples, fitted, from_pcm16, to_pcm16
from mosdata.augment.base import Parameter
from mosdata.augment.codec import ALMOST_WHOLE, ERROR_GAIN, Rung, TelephoneCodec
from mosdata.augment.ladder import number
from mosdata.errors import MissingExtra, UsageError
from mosdata.manifests.rows import Applied

AMR_KBPS = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)
"""The modes of AMR-NB."""


class _FfmpegCodec(TelephoneCodec):
    """A codec of FFmpeg by its name there.

    Raises:
        MissingExtra: PyAV is not installed.
        UsageError: its FFmpeg was built without this encoder.
    """

    ffmpeg_name: ClassVar[str]
    frame_length: ClassVar[int]
    delay: ClassVar[int]
    """Samples that the codec's output lags behind; measured, the same for every clip."""

    def __init__(self) -> None:
        try:
            import av
        except ModuleNotFoundError as error:
            raise MissingExtra(self.name, ["av"], "codecs") from error
        if self.ffmpeg_name not in av.codecs_available:
            raise UsageError(
                f"{self.name} needs an FFmpeg with {self.ffmpeg_name}, and the one that PyAV found "
                "here was built without it: pip install --force-reinstall --only-binary av av"
            )

    def bitrate(self, applied: Applied) -> int:
        """In bits a second."""
        return round(1000 * number(applied, "bitrate_kbps"))

    def code_nominal(self, samples: Samples, applied: Applied) -> Samples:
        """Frame by frame through encoder and decoder; the delay is cut."""
        whole = len(samples) + self.delay
        pcm = to_pcm16(fitted(samples, -(-whole // self.frame_length) * self.frame_length))
        decoded = np.concatenate([*self._decoded(pcm, self.bitrate(applied))])
        return fitted(from_pcm16(decoded[self.delay :]), len(samples))

    def _decoded(self, pcm: Pcm, bitrate: int) -> Iterator[Pcm]:
        rate_hz = self.coder_rate_hz(Applied(name=self.name, level=1.0))
        encoder, decoder = (self._context(mode, rate_hz) for mode in "wr")
        encoder.format, encoder.bit_rate = "s16", bitrate
        encoder.time_base = Fraction(1, rate_hz)
        for start in range(0, len(pcm) + 1, self.frame_length):
            part = pcm[start : start + self.frame_length]
            packets = encoder.encode(self._frame(part, start, rate_hz) if len(part) else None)
            for packet in packets:
                for frame in decoder.decode(packet):
                    yield frame.to_ndarray().reshape(-1)

    def _context(self, mode: str, rate_hz: int) -> Any:
        import av

        context = av.CodecContext.create(self.ffmpeg_name, mode)
        context.sample_rate, context.layout = rate_hz, "mono"
        return context

    def _frame(self, part: Pcm, start: int, rate_hz: int) -> Any:
        import av

        frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
        return frame


class Amr(_FfmpegCodec):
    """AMR narrow band, 12.2 to 4.75 kbit/s: mobile telephony since 1999.

    3GPP TS 26.071, through PyAV with opencore-amr, which computes in integers. Frames of 20 ms at
    8 kHz; the 40 samples by which the decoded speech lags are cut. Fed at -26 dBFS active level.
    Past the lowest mode the scale goes on with more stages: coded speech is coded again, as in a
    call from one mobile to another.

    audiomentations has no codec but MP3.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"amr": {"bitrate_kbps": 7.4}}
        >>> (applied,), _ = harm(["amr"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'bitrate_kbps': 7.4, 'error_gain': 1.0, 'stages': 1.0}
    """

    name = "amr"
    ffmpeg_name = "libopencore_amrnb"
    frame_length = 160
    delay = 40
    parameters: ClassVar = {
        "bitrate_kbps": Parameter("mode", low=4.75, high=12.2, choices=AMR_KBPS),
        "error_gain": Parameter("its error times this; 1 is the codec itself", low=0, high=1),
        "stages": Parameter(
            "times the speech is coded; a fraction is a part of a stage", low=1, high=10
        ),
    }
    rungs: ClassVar = (
        Rung(bitrate_kbps=12.2, rate_hz=8_000, start=0.1),
        Rung(bitrate_kbps=4.75, rate_hz=8_000, start=0.98),
    )
    worst = 6.0

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:
        """As every codec, but stages where others amplify."""
        values = super().scale(position, sample_rate_hz)
        place = position * (len(self.rungs) + 1) - len(self.rungs)
        stages = round(1 + max(0.0, place) * (self.worst - 1), 7)
        return {**values, "error_gain": min(1.0, values["error_gain"]), "stages": stages}

    def complete(
        self, given: Mapping[str, float], position: float, sample_rate_hz: int
    ) -> dict[str, float]:
        """One stage where none are given."""
        return super().complete({"stages": 1.0, **given}, position, sample_rate_hz)

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Stage after stage; the last one in part."""
        samples = super().corrupt(clip, applied)
        left = number(applied, "stages") - 1
        while left > 0:
            share = 1.0 if left >= 1 else 1 - ALMOST_WHOLE**left
            stage = replace(applied, params={**applied.params, "error_gain": share})
            samples = super().corrupt(Clip(samples, clip.sample_rate_hz), stage)
            left -= 1
        return samples


class G722(_FfmpegCodec):
    """G.722, 64 kbit/s: the wide band of the digital telephone.

    ITU-T G.722 (two bands of ADPCM), through PyAV. At 16 kHz, so clips of higher rates lose what
    lies above 8 kHz; the 22 samples of delay of its filters are cut. Fed at -26 dBFS active level.
    It is nearly transparent: the scale goes on by amplifying its noise.

    audiomentations has no codec but MP3.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"g722": {"error_gain": 1}}
        >>> (applied,), _ = harm(["g722"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'error_gain': 1}
    """

    name = "g722"
    ffmpeg_name = "g722"
    frame_length = 320
    delay = 22
    parameters: ClassVar = {"error_gain": ERROR_GAIN}
    rungs: ClassVar = (Rung(bitrate_kbps=64, rate_hz=16_000, start=0.3),)
    worst = 40.0

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - every rate has the same scale
        """The gain alone; nothing is removed from a clip at 16 kHz."""
        start = self.rungs[0].start
        return {"error_gain": round(start * (self.worst / start) ** position, 7)}

    def setting(self, bitrate_kbps: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - 64 kbit/s, always
        """None beside the gain."""
        return {}

    def coder_rate_hz(self, applied: Applied) -> int:  # noqa: ARG002 - the only one
        """16 kHz."""
        return 16_000

    def bitrate(self, applied: Applied) -> int:  # noqa: ARG002 - the only one of FFmpeg's encoder
        """64 kbit/s."""
        return 64_000
