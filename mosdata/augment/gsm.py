"""GSM 06.10 full rate."""

from __future__ import annotations

import io
from typing import ClassVar

from mosdata.audio import Samples, from_pcm16, to_pcm16
from mosdata.augment.codec import ERROR_GAIN, Rung, TelephoneCodec
from mosdata.manifests.rows import Applied


class Gsm(TelephoneCodec):
    """GSM 06.10 full rate (RPE-LTP), 13 kbit/s: the first mobile telephone.

    ETSI EN 300 961, through libsndfile, which holds the integer code of Degener and Bormann.
    Frames of 20 ms at 8 kHz; its decoder adds no delay. Fed at -26 dBFS active level. Past the
    codec itself the scale amplifies its noise.

    audiomentations has no codec but MP3.

    Example:
        >>> from mosdata.augment.chain import harm
        >>> from mosdata.testing import speechlike
        >>> clip = speechlike(1.0)
        >>> values = {"gsm": {"error_gain": 1}}
        >>> (applied,), _ = harm(["gsm"], 1, clip, seed=1, record_id="a", values=values)
        >>> applied.params
        {'error_gain': 1}
    """

    name = "gsm"
    parameters: ClassVar = {"error_gain": ERROR_GAIN}
    rungs: ClassVar = (Rung(bitrate_kbps=13, rate_hz=8_000, start=0.3),)
    worst = 6.0

    def setting(self, bitrate_kbps: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - 13 kbit/s, always
        """None beside the gain."""
        return {}

    def code_nominal(self, samples: Samples, applied: Applied) -> Samples:  # noqa: ARG002 - one setting
        """Write a file in memory and read it."""
        import soundfile

        file = io.BytesIO()
        soundfile.write(file, to_pcm16(samples), 8_000, format="WAV", subtype="GSM610")
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="int16", frames=len(samples))
        return from_pcm16(decoded)
