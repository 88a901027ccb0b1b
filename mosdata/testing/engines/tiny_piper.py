"""A tiny Piper voice: a graph of a dozen operations that hums its phonemes, with noise of its own.

Inputs and output are those of a real voice, so Piper loads it as one. The noise is drawn inside the
graph, as a real voice draws it.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from mosdata.testing.engines.onnx_file import FLOAT, INT64, model, node, tensor, value

SAMPLES_PER_PHONEME = 1000
PHONEMES = "_^$ !'(),-.:;?abcdefghijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔɕɖəɚɛɜɡɪɫɹɾʃʊʌʒʔˈˌːθᵻ"  # noqa: RUF001 - IPA


def piper_folder(folder: Path, *, voice: str = "tiny", speakers: tuple[str, ...] = ()) -> Path:
    """``<voice>.onnx`` and ``<voice>.onnx.json`` at 22.05 kHz."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{voice}.onnx").write_bytes(_graph(has_speakers=bool(speakers)))
    about = {
        "audio": {"sample_rate": 22_050, "quality": "medium"},
        "espeak": {"voice": "en-us"},
        "language": {"code": "en_US"},
        "inference": {"noise_scale": 0.3, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "num_symbols": len(PHONEMES),
        "num_speakers": max(1, len(speakers)),
        "speaker_id_map": {name: index for index, name in enumerate(speakers)},
        "phoneme_id_map": {phoneme: [index] for index, phoneme in enumerate(PHONEMES)},
    }
    text = json.dumps(about, ensure_ascii=False)
    (folder / f"{voice}.onnx.json").write_text(text, encoding="utf-8")
    return folder


def _graph(*, has_speakers: bool) -> bytes:
    """Phoneme ids -> a sine whose pitch follows them, plus noise times ``scales[0]``."""
    nodes = [
        node("Cast", ["input"], ["ids"], to=FLOAT),
        node("Unsqueeze", ["ids", "last"], ["columns"]),
        node("Tile", ["columns", "repeats"], ["held"]),
        node("RandomNormalLike", ["held"], ["noise"]),
        node("Gather", ["scales", "first"], ["noise_scale"]),
        node("Mul", ["noise", "noise_scale"], ["hiss"]),
        node("Mul", ["ramp", "held"], ["phase"]),
        node("Sin", ["phase"], ["hum"]),
        node("Add", ["hum", "hiss"], ["mixed"]),
        node("Reshape", ["mixed", "shape"], ["output"]),
    ]
    ramp = struct.pack(
        f"<{SAMPLES_PER_PHONEME}f", *(0.01 * step for step in range(SAMPLES_PER_PHONEME))
    )
    tensors = [
        tensor("last", INT64, [1], struct.pack("<q", 2)),
        tensor("repeats", INT64, [3], struct.pack("<3q", 1, 1, SAMPLES_PER_PHONEME)),
        tensor("first", INT64, [], struct.pack("<q", 0)),
        tensor("ramp", FLOAT, [1, 1, SAMPLES_PER_PHONEME], ramp),
        tensor("shape", INT64, [4], struct.pack("<4q", 1, 1, 1, -1)),
    ]
    inputs = [
        value("input", INT64, [1, "phonemes"]),
        value("input_lengths", INT64, [1]),
        value("scales", FLOAT, [3]),
    ]
    if has_speakers:
        inputs.append(value("sid", INT64, [1]))
    return model(nodes, tensors, inputs, [value("output", FLOAT, [1, 1, 1, "samples"])])
