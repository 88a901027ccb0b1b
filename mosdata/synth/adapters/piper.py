"""Piper: VITS voices as ONNX with eSpeak phonemes (package ``piper-tts``, GPL-3.0-or-later).

A model folder holds one or more voices, ``<voice>.onnx`` beside ``<voice>.onnx.json``; a voice of
several speakers becomes ``<voice>/<speaker>``. ONNX Runtime gives each random node its generator
when a session is made and never again, so a request is repeatable only in a session of its own:
one is made for each request, after the seed, from a graph that was optimised once.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mosdata.synth.adapters.kit import (
    LoadFailed,
    Rejected,
    cannot_clone,
    check_options,
    no_such_voice,
    package_versions,
    python_version,
    repeat_canary,
    weight_digest,
)

NAME = "piper"
VERSION = 1
OPTIONS: dict[str, Any] = {"length_scale": None, "noise_scale": None, "noise_w_scale": None}
FETCHING = ("pinyin",)
"""Phoneme types whose front end would be fetched by upstream."""

PACKAGES = ("piper-tts", "onnxruntime", "numpy")


class Piper:
    """All Piper voices of a folder, at one rate.

    Args:
        options: ``model_dir``, ``device`` ("cpu" or "cuda") and upstream's three scales.

    Raises:
        LoadFailed: no voice there, voices of several rates, a front end that would be fetched,
            or an option that is not known.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        given = {k: v for k, v in options.items() if k not in ("system", "checkout", "dtype")}
        self.folder = Path(str(given.pop("model_dir", "")))
        self.device = str(given.pop("device", "") or "cpu")
        check_options(given, OPTIONS, NAME)
        self.options = {**OPTIONS, **given}
        self._configs = self._read_configs()
        self._rate = self._one_rate()
        self._graphs: dict[str, bytes] = {}

    def describe(self) -> dict[str, Any]:
        """Rate, voices and fingerprint, from the JSON files alone."""
        return {
            "sample_rate_hz": self._rate,
            "voices": [
                {"name": name, "language": self._language(name)} for name in self._voice_names()
            ],
            "fingerprint": {
                "adapter": f"{NAME}/{VERSION}",
                "upstream": {
                    "name": "piper-tts",
                    "version": package_versions(["piper-tts"]).get("piper-tts", "missing"),
                },
                "weights": {
                    f"{name}.onnx": weight_digest(str(self.folder / f"{name}.onnx"))
                    for name in self._configs
                },
                "config": {
                    f"{name}.onnx.json": weight_digest(str(self.folder / f"{name}.onnx.json"))
                    for name in self._configs
                },
                "python": python_version(),
                "packages": package_versions(PACKAGES),
                "device": self.device.partition(":")[0],
                "dtype": "float32",
                "accelerators": [],
                "text_frontend": "espeak",
                "sampling": {k: self.options[k] for k in sorted(self.options)},
            },
        }

    def load(self) -> None:
        """Optimise the graph of each voice once.

        Raises:
            LoadFailed: the package is missing, or a file is no Piper voice.
        """
        try:
            import onnxruntime
            import piper  # noqa: F401 - noticed here rather than at the first text
        except ImportError as error:
            raise LoadFailed(f"piper needs piper-tts in its environment: {error}.") from error
        has = onnxruntime.get_available_providers()
        if lacking := [name for name in self._providers() if name not in has]:
            raise LoadFailed(
                f"device is {self.device}, and this ONNX Runtime has no {lacking[0]}: it would go "
                "on without a word. Install onnxruntime-gpu there, or set device to cpu."
            )
        for name in self._configs:
            self._graphs[name] = self._optimised(name)

    def add_voice(self, voice: dict[str, Any]) -> None:
        """Piper does not clone.

        Raises:
            LoadFailed: always.
        """
        raise cannot_clone(NAME, voice)

    def synthesize(self, request: dict[str, Any]) -> dict[str, Any]:
        """One piece of text, all of its sentences joined.

        Raises:
            Rejected: ``unknown_voice``, ``no_letters``, or ``unspeakable_characters``: phonemes
                that the voice was not trained on, which upstream drops in silence.
        """
        if request["voice"] not in self._voice_names():
            raise no_such_voice(NAME, request["voice"], self._voice_names())
        name, _, speaker = request["voice"].partition("/")
        voice = self._opened(name, int(request["seed"]))
        phonemes = voice.phonemize(request["text"])
        if not any(phonemes):
            raise Rejected("no_letters", f"{request['text'][:40]!r} has nothing to say.")
        known = self._configs[name]["phoneme_id_map"]
        lost = "".join(dict.fromkeys(p for part in phonemes for p in part if p not in known))
        if lost.strip():
            raise Rejected("unspeakable_characters", f"Voice {name} lacks the phonemes {lost!r}.")
        chunks = voice.synthesize(request["text"], self._settings(name, speaker))
        sound = [chunk.audio_float_array for chunk in chunks]
        if not sound:
            raise Rejected("empty_audio", f"piper said nothing to {request['text'][:40]!r}.")
        samples = np.ascontiguousarray(np.concatenate(sound), np.float32)
        return {"samples": samples, "sample_rate_hz": self._rate, "flags": []}

    def canaries(self) -> list[dict[str, Any]]:
        """The same request gives the same samples."""
        request = {"text": "Hello there.", "voice": self._voice_names()[0], "seed": 1}
        return [repeat_canary(lambda: self.synthesize(dict(request))["samples"])]

    def _opened(self, name: str, seed: int) -> Any:
        """A voice whose noise starts at the seed."""
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig

        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        settings.intra_op_num_threads = 1  # sums in one order
        onnxruntime.set_seed(seed)
        session = onnxruntime.InferenceSession(
            self._graphs[name], settings, providers=self._providers()
        )
        return PiperVoice(
            config=PiperConfig.from_dict(self._configs[name]),
            session=session,
            download_dir=self.folder,
        )

    def _optimised(self, name: str) -> bytes:
        """The graph after the optimisations that do not depend on the processor.

        Raises:
            LoadFailed: the file is no ONNX model.
        """
        import onnxruntime

        with tempfile.TemporaryDirectory(prefix="mosdata-piper-") as folder:
            settings = onnxruntime.SessionOptions()
            settings.graph_optimization_level = (
                onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
            )
            settings.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
            source = str(self.folder / f"{name}.onnx")
            try:
                onnxruntime.InferenceSession(source, settings, providers=self._providers())
            except Exception as error:
                raise LoadFailed(f"{name}.onnx cannot be read: {error}") from error
            return (Path(folder) / "optimised.onnx").read_bytes()

    def _settings(self, name: str, speaker: str) -> Any:
        from piper.config import SynthesisConfig

        scales = {k: None if v is None else float(v) for k, v in self.options.items()}
        number = self._configs[name].get("speaker_id_map", {}).get(speaker) if speaker else None
        return SynthesisConfig(speaker_id=number, **scales)

    def _providers(self) -> list[str]:
        gpu = ["CUDAExecutionProvider"] if self.device.startswith("cuda") else []
        return [*gpu, "CPUExecutionProvider"]

    def _read_configs(self) -> dict[str, Any]:
        if not self.folder.is_dir():
            raise LoadFailed(f"piper: there is no folder {self.folder}. Give the voices' folder.")
        found = {}
        for path in sorted(self.folder.glob("*.onnx")):
            about = path.with_name(f"{path.name}.json")
            if not about.is_file():
                raise LoadFailed(f"piper: {path.name} needs {about.name} beside it.")
            found[path.stem] = json.loads(about.read_text("utf-8"))
            kind = found[path.stem].get("phoneme_type", "espeak")
            if kind in FETCHING:
                raise LoadFailed(f"piper: {path.name} reads {kind}, which upstream would fetch.")
        if not found:
            raise LoadFailed(f"piper: {self.folder} holds no *.onnx voice.")
        return found

    def _one_rate(self) -> int:
        rates = {int(about["audio"]["sample_rate"]) for about in self._configs.values()}
        if len(rates) > 1:
            raise LoadFailed(
                f"piper: the voices of {self.folder} have several rates ({sorted(rates)} Hz). "
                "Give each quality a folder and a system of its own."
            )
        return rates.pop()

    def _voice_names(self) -> list[str]:
        names = []
        for name, about in self._configs.items():
            speakers = about.get("speaker_id_map", {}) if about.get("num_speakers", 1) > 1 else {}
            names += [f"{name}/{speaker}" for speaker in speakers] or [name]
        return names

    def _language(self, voice: str) -> str:
        about = self._configs[voice.partition("/")[0]]
        code = about.get("language", {}).get("code") or about["espeak"]["voice"]
        return str(code).replace("_", "-")


def build(options: dict[str, Any]) -> Piper:
    """The adapter; see :class:`Piper` for its options."""
    return Piper(options)
