"""The steps of a ladder as files to listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mosdata.audio import to_pcm16
from mosdata.builders.ladder import Rung


def write_wavs(folder: Path, kind: str, rungs: Sequence[Rung]) -> list[Path]:
    """One 16-bit WAV a level, named after it; files of these names are overwritten."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    stem = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in kind)
    written = []
    for rung in rungs:
        path = folder / f"{stem}-{rung.level:.3f}.wav"
        soundfile.write(path, to_pcm16(rung.clip.samples), rung.clip.sample_rate_hz)
        written.append(path)
    return written
