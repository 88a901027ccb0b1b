"""What a CosyVoice model folder and checkout hold, read without loading a model.

A model folder's yaml file is a program (HyperPyYAML calls what its tags name) and its
``spk2info.pt`` is a pickle. Neither is run here: tags are compared with those that upstream's own
recipes use, and of the pickle only the names of the voices are read.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosdata.synth.adapters.kit import LoadFailed, require_files, weight_digest

PACKAGES = ("cosyvoice", "third_party/Matcha-TTS/matcha")
"""Folders of the checkout whose Python files are the code that runs."""

BLANK_QWEN = "CosyVoice-BlankEN"
SPEAKERS = "spk2info.pt"


@dataclass(frozen=True)
class Release:
    """One generation of CosyVoice: its class upstream, its files, and what it reads."""

    number: int
    class_name: str
    yaml: str
    sample_rate_hz: int
    tokens_per_s: int
    languages: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """What its model folder must hold."""
        blank = ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.json")
        files = [self.yaml, "llm.pt", "flow.pt", "hift.pt", "campplus.onnx"]
        files.append(f"speech_tokenizer_v{self.number}.onnx")
        if self.number > 1:
            files += [f"{BLANK_QWEN}/{name}" for name in (*blank, "merges.txt")]
        return tuple(files)


RELEASES = (
    Release(1, "CosyVoice", "cosyvoice.yaml", 22_050, 50, ("zh", "en", "ja", "yue", "ko")),
    Release(2, "CosyVoice2", "cosyvoice2.yaml", 24_000, 25, ("zh", "en", "ja", "ko")),
    Release(
        3,
        "CosyVoice3",
        "cosyvoice3.yaml",
        24_000,
        25,
        ("zh", "en", "ja", "ko", "de", "es", "fr", "it", "ru"),
    ),
)
"""In the order in which upstream's ``AutoModel`` looks for their yaml files."""

SYSTEM_RELEASES = {
    "cosyvoice-300m": 1,
    "cosyvoice-300m-sft": 1,
    "cosyvoice2-0.5b": 2,
    "fun-cosyvoice3-0.5b": 3,
}

OWN_VOICES_ONLY = ("cosyvoice-300m-sft",)
"""Systems that are fine-tuned to fixed speakers and clone nobody."""

SPEAKER_LANGUAGES = {"中文": "zh", "英文": "en", "日语": "ja", "粤语": "yue", "韩语": "ko"}
"""How upstream's own speakers begin, as in ``中文女``, and the language of their recordings."""

_CALLABLES = re.compile(
    r"(cosyvoice|matcha)\.[\w.]+"
    r"|random\.seed|numpy\.random\.seed|torch\.manual_seed|torch\.cuda\.manual_seed_all"
    r"|omegaconf\.DictConfig|whisper\.tokenizer\.get_tokenizer"
)
_TAG = re.compile(r"""(?:^|[\s\[{,:"'-])(![^\s\[\]{},]*)""", re.MULTILINE)
_LFS_POINTER = b"version https://git-lfs"


def release_of(model_dir: str, system: str) -> Release:
    """Which generation a folder holds; it must be that of the system.

    Raises:
        LoadFailed: no folder, no yaml file in it, or that of another generation.
    """
    require_files(model_dir, (), system or "cosyvoice")
    found = [release for release in RELEASES if (Path(model_dir) / release.yaml).is_file()]
    expected = SYSTEM_RELEASES.get(system)
    for release in found:
        if expected in (None, release.number):
            return release
    names = ", ".join(release.yaml for release in RELEASES)
    wanted = f"{system} needs {RELEASES[expected - 1].yaml}" if expected else f"one of {names}"
    holds = f"it holds {found[0].yaml}" if found else f"it holds none of {names}"
    raise LoadFailed(f"{model_dir} is not the model folder of {system}: {wanted}, {holds}.")


def check_folder(model_dir: str, release: Release, what: str, extra: Iterable[str] = ()) -> None:
    """All files are there, whole, and the yaml file calls nothing but models.

    Raises:
        LoadFailed: with the name of each file that is missing, empty or a Git LFS pointer.
    """
    files = (*release.files, *extra)
    require_files(model_dir, files, what)
    for name in files:
        with (Path(model_dir) / name).open("rb") as file:
            beginning = file.read(len(_LFS_POINTER))
        if beginning == _LFS_POINTER:
            raise LoadFailed(
                f"{what}: {name} in {model_dir} is a Git LFS pointer, not the file itself. "
                "Run 'git lfs pull' there, or download the folder anew."
            )
        if not beginning:
            raise LoadFailed(f"{what}: {name} in {model_dir} is empty. Download it anew.")
    if foreign := foreign_tags((Path(model_dir) / release.yaml).read_text(encoding="utf-8")):
        raise LoadFailed(
            f"{what}: {release.yaml} in {model_dir} would run {', '.join(foreign)}. Upstream's "
            "files name only modules of cosyvoice and matcha; take the folder from upstream."
        )


def foreign_tags(yaml_text: str) -> list[str]:
    """Tags of a HyperPyYAML file that upstream's recipes do not use, in order.

    Example:
        >>> foreign_tags("{llm: !new:cosyvoice.llm.llm.Qwen2LM, x: !apply:os.system [ls]}")
        ['!apply:os.system']
    """
    lines = [line for line in yaml_text.splitlines() if not line.lstrip().startswith("#")]
    tags = [match.rstrip("\"'") for match in _TAG.findall("\n".join(lines))]
    directives = [line for line in lines if line.startswith("%")]
    return list(dict.fromkeys([*directives, *(tag for tag in tags if not _is_known(tag))]))


def _is_known(tag: str) -> bool:
    kind, colon, name = tag.partition(":")
    if kind in ("!ref", "!tuple"):
        return not colon
    return kind in ("!new", "!name", "!apply") and bool(_CALLABLES.fullmatch(name))


def sample_rate_of(model_dir: str, release: Release) -> int:
    """Rate that the yaml file states; that of the release where it states none."""
    text = (Path(model_dir) / release.yaml).read_text(encoding="utf-8")
    stated = re.search(r"^sample_rate:\s*(\d+)", text, re.MULTILINE)
    return int(stated.group(1)) if stated else release.sample_rate_hz


def own_speakers(model_dir: str) -> dict[str, str]:
    """Speakers in ``spk2info.pt`` and their language tags; ``mul`` where the name tells none.

    What users saved there with upstream's ``save_spkinfo`` are prompts, not speakers, and is
    left out.

    Raises:
        LoadFailed: the file is not one that ``torch.save`` writes.
    """
    path = Path(model_dir) / SPEAKERS
    if not path.exists():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(pickled) as file:
                table = _NamesOnly(file).load()
        names = [str(name) for name, entry in table.items() if "embedding" in entry]
    except (zipfile.BadZipFile, ValueError, TypeError, AttributeError, pickle.PickleError) as error:
        raise LoadFailed(
            f"{path} is not a table of speakers as torch.save writes it ({error}). "
            "Download it anew."
        ) from error
    return {name: SPEAKER_LANGUAGES.get(name[:2], "mul") for name in names}


class _Blank:
    """What stands for everything in a pickle that is no name."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class _NamesOnly(pickle.Unpickler):
    """Reads plain values; calls nothing that a pickle names."""

    def find_class(self, module_name: str, global_name: str) -> Any:  # noqa: ARG002  # of pickle
        return _Blank

    def persistent_load(self, _: Any) -> Any:
        return None


def file_digests(model_dir: str, files: Iterable[str], whole: bool) -> dict[str, str]:
    """Digest of each file, by name."""
    return {
        name: weight_digest(str(Path(model_dir) / name), whole=whole)
        for name in sorted(files)
        if (Path(model_dir) / name).is_file()
    }


def check_checkout(checkout: str) -> None:
    """Upstream's code is there, with its submodule.

    Raises:
        LoadFailed: what is missing, and the command that gets it.
    """
    root = Path(checkout)
    if not checkout or not (root / "cosyvoice" / "cli" / "cosyvoice.py").is_file():
        raise LoadFailed(
            f"{checkout or 'checkout'} is no checkout of CosyVoice (no cosyvoice/cli/cosyvoice.py)."
            " Run 'git clone --recursive https://github.com/FunAudioLLM/CosyVoice' and set "
            "'checkout' to its folder. The package called cosyvoice on PyPI is another's."
        )
    if not (root / "third_party" / "Matcha-TTS" / "matcha").is_dir():
        raise LoadFailed(
            f"{checkout} lacks its submodule third_party/Matcha-TTS. "
            f"Run 'git -C {checkout} submodule update --init'."
        )
