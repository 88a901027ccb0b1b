"""The tables of corpora that everybody uses: how each is recognised and what its columns mean.

Column names, file names and naming schemes are those of the published files and of the recipes
that read them (SHEET, LDNet, UTMOS22, URGENT-MOS, ConferencingSpeech 2022). A function answers
None where a file is not its table.
"""

from __future__ import annotations

import re
from typing import Final

from mosdata.corpora.generic import are_numbers
from mosdata.corpora.parts import split_in_name
from mosdata.corpora.raw import Sample
from mosdata.corpora.spec import Scores, TableSpec

VOICEMOS_CLIP: Final = r"^(?P<system>[^-]+)-(?P<sentence>.+)$"
SVCC23_CLIP: Final = (
    r"^VoiceMOS2023Track2-(?P<system>[^-]+)-[^-]+-(?P<speaker>[^-]+)-(?P<sentence>.+)$"
)
VMC23_CLIP: Final = (
    r"^VoiceMOS2023Track(?:"
    r"1-(?P<system_1>[^-]+)-(?P<sentence_1>.+)|"
    r"3-(?P<system_2>.+?)_(?P<sentence_2>TMHINT.*)|"
    r"3-(?P<sentence_3>TMHINT.*))$"
)
VCC2018_CLIP: Final = (
    r"^(?P<system_2>[A-Z]\d+)_(?P<speaker_1>VCC2T\w+?)_VCC2S\w+?_(?P<sentence_1>\d+)_"
    r"(?P<system_1>HUB|SPO|NAT)$"
)
SOMOS_CLIP: Final = r"^(?P<sentence>.+)_(?P<system>\d+)$"
AUDIOMOS_CLIP: Final = (
    r"^audiomos-track3-(?P<system>\d+k_[A-Za-z]+\d*)_"
    r"(?P<sentence>utt\d+|(?P<speaker_1>\d+)_\d.*|(?P<speaker_2>\w+)-.+|.+)$"
)
NISQA_CLIP: Final = r"^(?P<dataset>NISQA_(?P<split>TRAIN|VAL|TEST)_\w+?)/"
NISQA_PART: Final = r"_(?P<split>TRAIN|VAL|TEST)(_|$)"
TMHINT_CLIP: Final = r"(?P<sentence>TMHINT.*)$"
LISTENER_INFO: Final = r"^[^_]*_[^_]*_(?P<rater>[^_]+)_"


def bvcc_listeners(sample: Sample) -> TableSpec | None:
    """``sysID,filename,rating,ignore,listenerinfo``, usually without a header."""
    names = [name.lower() for name in sample.columns]
    if sample.has_header and names[:3] != ["sysid", "filename", "rating"]:
        return None
    if len(names) < 5 or not sample.rows:
        return None
    system, clip, score, *_, info = sample.columns
    pairs = zip(sample.cells(system), sample.cells(clip), strict=False)
    if not all(name.startswith(f"{owner}-") for owner, name in pairs):
        return None
    return TableSpec(
        clip=(clip,),
        scores=(Scores(column=score, dimension="mos"),),
        fields={"system": (system,), "rater": (info,)},
        fixed=_split(sample),
        patterns={"clip": VOICEMOS_CLIP, "rater": LISTENER_INFO},
    )


def bvcc_means(sample: Sample) -> TableSpec | None:
    """``sysID-uttID.wav,score`` without a header."""
    return _mean_list(sample, r"^(?!VoiceMOS2023|audiomos-)[^-/]+-[^/]+\.wav$", VOICEMOS_CLIP)


def vcc2018(sample: Sample) -> TableSpec | None:
    """``WAV_PATH,MEAN,MOS,JUDGE``."""
    if not sample.has("wav_path", "mean", "mos", "judge"):
        return None
    clip, mean, score, judge = map(sample.column, ("wav_path", "mean", "mos", "judge"))
    return TableSpec(
        clip=(clip,),
        scores=(
            Scores(column=score, dimension="mos"),
            Scores(column=mean, form="mean", dimension="mos"),
        ),
        fields={"rater": (judge,)},
        fixed=_split(sample),
        patterns={"clip": VCC2018_CLIP},
    )


def svcc23_listeners(sample: Sample) -> TableSpec | None:
    """``sample_id,listener_name,score`` with names of VoiceMOS 2023 Track 2."""
    if not sample.has("sample_id", "listener_name", "score") or not _named(sample, "Track2"):
        return None
    clip, rater, score = map(sample.column, ("sample_id", "listener_name", "score"))
    return TableSpec(
        clip=(clip,),
        scores=(Scores(column=score, dimension="mos"),),
        fields={"rater": (rater,)},
        patterns={"clip": SVCC23_CLIP},
    )


def svcc23_means(sample: Sample) -> TableSpec | None:
    """``VoiceMOS2023Track2-...,score`` without a header."""
    return _mean_list(sample, r"^VoiceMOS2023Track2-", SVCC23_CLIP)


def vmc23_means(sample: Sample) -> TableSpec | None:
    """``VoiceMOS2023Track1-...,score`` (French TTS) or Track 3 (noisy speech), no header."""
    return _mean_list(sample, r"^VoiceMOS2023Track[13]-", VMC23_CLIP)


def vmc24_track3(sample: Sample) -> TableSpec | None:
    """``sample_id,sig,bak,ovr,listener``, or ``systems,SIG,BAK,OVR`` with means."""
    singles = sample.has("sample_id", "sig", "bak", "ovr", "listener")
    if not singles and not sample.has("systems", "sig", "bak", "ovr"):
        return None
    clip = sample.column("sample_id" if singles else "systems")
    columns = {"sig": "sig", "bak": "bak", "ovr": "ovrl"}
    return TableSpec(
        clip=(clip,),
        scores=tuple(
            Scores(
                column=sample.column(name),
                form="single" if singles else "mean",
                dimension=dimension,
            )
            for name, dimension in columns.items()
        ),
        fields={"rater": (sample.column("listener"),)} if singles else {},
        patterns={"clip": r"^(?P<speaker>[^_]+)_(?P<system>[^_]+)_(?P<sentence>.+)$"},
        scale="p835_1_5",
    )


def somos_listeners(sample: Sample) -> TableSpec | None:
    """``systemId,utteranceId,choice,listenerId`` and more."""
    if not sample.has("utteranceid", "choice", "listenerid"):
        return None
    return TableSpec(
        clip=(sample.column("utteranceid"),),
        scores=(Scores(column=sample.column("choice"), dimension="mos"),),
        fields={"rater": (sample.column("listenerid"),)},
        fixed=_split(sample),
        patterns={"clip": SOMOS_CLIP},
    )


def somos_means(sample: Sample) -> TableSpec | None:
    """``utteranceId,mean``."""
    if not sample.has("utteranceid", "mean"):
        return None
    return TableSpec(
        clip=(sample.column("utteranceid"),),
        scores=(Scores(column=sample.column("mean"), form="mean", dimension="mos"),),
        fixed=_split(sample),
        patterns={"clip": SOMOS_CLIP},
    )


def tmhint_qi(sample: Sample) -> TableSpec | None:
    """``idx,method,uttr,snr,noise,quality_score,intelligibility_score,file_name``."""
    if not sample.has("method", "snr", "noise", "quality_score", "file_name"):
        return None
    names = {name: sample.column(name) for name in ("method", "snr", "noise", "idx")}
    rater = {"rater": (names["idx"],)} if sample.has("idx") else {}
    quality = sample.column("quality_score")
    return TableSpec(
        clip=(sample.column("file_name"),),
        scores=(Scores(column=quality, dimension="mos", may_be_empty=True),),
        fields={"system": (names["method"], names["snr"], names["noise"]), **rater},
        fixed=_split(sample),
        patterns={"clip": TMHINT_CLIP},
    )


def nisqa(sample: Sample) -> TableSpec | None:
    """``db,con,...,votes,mos,noi,col,dis,loud,...,mos_std,filepath_deg,...``."""
    clip = sample.named("filepath_deg") or (
        sample.named("filename_deg") if sample.has("db") else None
    )
    if not sample.has_header or clip is None or not sample.has("mos"):
        return None
    votes = sample.named("votes")
    scores = tuple(
        Scores(
            column=sample.column(name),
            form="mean",
            dimension=name,
            votes=votes,
            std=sample.named(f"{name}_std"),
            may_be_empty=name != "mos",
        )
        for name in ("mos", "noi", "dis", "col", "loud")
        if sample.named(name)
    )
    fields = {
        "dataset": ("db",),
        "system": ("db", "con"),
        "sentence": ("filename_ref",),
        "language": ("lang",),
    }
    parts = {"clip": NISQA_CLIP, "dataset": NISQA_PART}
    present = {k: tuple(sample.column(n) for n in v) for k, v in fields.items() if sample.has(*v)}
    return TableSpec(clip=(clip,), scores=scores, fields=present, patterns=parts)


def tencent(sample: Sample) -> TableSpec | None:
    """``deg_wav,mos``."""
    if not sample.has("deg_wav", "mos"):
        return None
    return TableSpec(
        clip=(sample.column("deg_wav"),),
        scores=(Scores(column=sample.column("mos"), form="mean", dimension="mos"),),
    )


def pstn(sample: Sample) -> TableSpec | None:
    """``filename,MOS,std,95%CI,votes``."""
    if not sample.has("filename", "mos", "std", "95%ci", "votes"):
        return None
    mean = Scores(
        column=sample.column("mos"),
        form="mean",
        dimension="mos",
        votes=sample.named("votes"),
        std=sample.named("std"),
    )
    return TableSpec(clip=(sample.column("filename"),), scores=(mean,), fixed=_split(sample))


def iub(sample: Sample) -> TableSpec | None:
    """``AudioName,Ratings,MOS,AudioType,ScaledMOS``; MOS from 0 to 100."""
    if not sample.has("audioname", "mos"):
        return None
    mean = Scores(column=sample.column("mos"), form="mean", dimension="mos")
    kind = {"dataset": (sample.column("audiotype"),)} if sample.has("audiotype") else {}
    return TableSpec(
        clip=(sample.column("audioname"),), scores=(mean,), fields=kind, scale="mushra_0_100"
    )


def audiomos25_listeners(sample: Sample) -> TableSpec | None:
    """``uttID,lisID,rating``; the file's name says which listening test."""
    if not sample.has("uttid", "lisid", "rating"):
        return None
    test = re.search(r"utt_(\d+k|mix)(?:_(val|test))?", sample.path.stem)
    fixed = {"test": test[1]} if test else {}
    if test:
        fixed["split"] = "test" if test[2] == "test" else "train"
    return TableSpec(
        clip=(sample.column("uttid"),),
        scores=(Scores(column=sample.column("rating"), dimension="mos"),),
        fields={"rater": (sample.column("lisid"),)},
        fixed=fixed,
        patterns={"clip": AUDIOMOS_CLIP},
    )


def audiomos25_means(sample: Sample) -> TableSpec | None:
    """``audiomos-track3-<rate>_<system>_<sentence>.wav,score`` without a header."""
    return _mean_list(sample, r"^audiomos-track3-", AUDIOMOS_CLIP)


def p835(sample: Sample) -> TableSpec | None:
    """``file,condition,talker,votes,mos,mos_std,sig,sig_std,bak,bak_std``; mos is OVRL."""
    if not sample.has("file", "condition", "talker", "votes", "mos", "sig", "bak"):
        return None
    scores = tuple(
        Scores(
            column=sample.column(column),
            form="mean",
            dimension=dimension,
            votes=sample.named("votes"),
            std=sample.named(f"{column}_std"),
        )
        for column, dimension in (("mos", "ovrl"), ("sig", "sig"), ("bak", "bak"))
    )
    return TableSpec(
        clip=(sample.column("file"),),
        scores=scores,
        fields={
            "system": (sample.column("condition"),),
            "speaker": (sample.column("talker"),),
            # Each talker speaks one sentence, which every condition processes.
            "sentence": (sample.column("talker"),),
        },
        scale="p835_1_5",
    )


def sheet(sample: Sample) -> TableSpec | None:
    """``wav_path,system_id,sample_id`` and ``score`` with a listener, or ``avg_score``."""
    if not sample.has("wav_path", "system_id", "sample_id"):
        return None
    mean, single = sample.named("avg_score"), sample.named("score")
    if mean is None and single is None:
        return None
    rater = sample.named("listener_id", "listener_idx")
    if mean is not None:
        scores = Scores(column=mean, form="mean", dimension="mos")
    else:
        # Recipes write means as `score` where a corpus has no single scores.
        column = sample.column("score")
        is_mean = rater is None and not all(map(_is_whole, sample.cells(column)))
        scores = Scores(column=column, form="mean" if is_mean else "single", dimension="mos")
    columns = {"audio": "wav_path", "system": "system_id", "speaker": "speaker_id"}
    fields = {k: (sample.column(v),) for k, v in columns.items() if sample.has(v)}
    if rater and mean is None:
        fields["rater"] = (rater,)
    return TableSpec(
        clip=(sample.column("system_id"), sample.column("sample_id")),
        scores=(scores,),
        fields=fields,
        fixed=_split(sample),
    )


def urgent(sample: Sample) -> TableSpec | None:
    """JSON lines of ``{uid, audio_path, system_id, reference_id, duration, metrics, meta}``."""
    if not sample.has("uid", "audio_path", "system_id"):
        return None
    scores = []
    for name in sample.columns:
        judged = re.fullmatch(r"metrics\.mos_(\w+)", name)
        if judged:
            dimension = "mos" if judged[1] == "overall" else judged[1]
            std = sample.named(f"meta.mos_{judged[1]}_std")
            mean = Scores(column=name, form="mean", dimension=dimension, std=std, may_be_empty=True)
            scores.append(mean)
            listed = sample.named(f"meta.mos_{judged[1]}")
            if listed:
                scores.append(Scores(column=listed, form="list", dimension=dimension))
    if not scores:
        return None
    columns = {"audio": "audio_path", "system": "system_id", "sentence": "reference_id"}
    fields = {k: (sample.column(v),) for k, v in columns.items() if sample.has(v)}
    return TableSpec(clip=("uid",), scores=tuple(scores), fields=fields, fixed=_split(sample))


def _mean_list(sample: Sample, names: str, pattern: str) -> TableSpec | None:
    """A list without a header: clip and mean, where every clip's name fits."""
    if sample.has_header or len(sample.columns) != 2 or not sample.rows:
        return None
    if not all(re.match(names, cell) for cell in sample.cells("column_1")):
        return None
    if not are_numbers(sample.cells("column_2")):
        return None
    return TableSpec(
        clip=("column_1",),
        scores=(Scores(column="column_2", form="mean", dimension="mos"),),
        fixed=_split(sample),
        patterns={"clip": pattern},
    )


def _named(sample: Sample, track: str) -> bool:
    cells = sample.cells(sample.column("sample_id"))
    return bool(cells) and all(cell.startswith(f"VoiceMOS2023{track}-") for cell in cells)


def _is_whole(cell: str) -> bool:
    return re.fullmatch(r"\d+(\.0*)?", cell) is not None


def _split(sample: Sample) -> dict[str, str]:
    """The split that the file's name speaks of."""
    split = split_in_name(sample.path.stem)
    return {"split": split} if split else {}
