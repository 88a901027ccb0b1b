"""The steps of a ladder as files to listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mosdata.audio import to_pcm16
from mosdata.builders.ladder import Rung


def file_stem(kind: str) -> str:
    """A kind as part of a file's name: what an ``am:`` transform is given may hold slashes.

    Example:
        >>> file_stem("am:Gain(min_gain_db=-3.0)")
        'am-Gain-min_gain_db--3-0-'
    """
    return "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in kind)


def write_wavs(folder: Path, kind: str, rungs: Sequence[Rung]) -> list[Path]:
    """One 16-bit WAV a level, named after it; files of these names are overwritten."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    digits = next(n for n in range(3, 18) if len({f"{r.level:.{n}f}" for r in rungs}) == len(rungs))
    written = []
    for rung in rungs:
        path = folder / f"{file_stem(kind)}-{rung.level:.{digits}f}.wav"
        soundfile.write(path, to_pcm16(rung.clip.samples), rung.clip.sample_rate_hz)
        written.append(path)
    return written
