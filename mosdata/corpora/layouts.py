"""The layouts that rated corpora come in, and how one is told from another.

A layout is one line in ``LAYOUTS``: where it comes from, and a function for each kind of table it
has. Such a function looks at the head of a file and says what its columns mean, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mosdata.corpora import generic, known
from mosdata.corpora.raw import Sample
from mosdata.corpora.spec import TableSpec
from mosdata.errors import InvalidRatings, UnknownName

Form = Callable[[Sample], TableSpec | None]
"""What the columns of a file mean if it is this kind of table; its docstring shows the table."""

GENERIC: Final = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the tables of a corpus look.

    Args:
        name: how users and datasets refer to it.
        about: what it is, in a few words.
        source: who publishes it.
        forms: its kinds of tables; the first that fits is taken.
        files: patterns of file names in the corpus's folder, in groups: the first group that
            finds files is read. Empty reads every file that fits.
    """

    name: str
    about: str
    source: str
    forms: tuple[Form, ...]
    files: tuple[tuple[str, ...], ...] = ()

    def fit(self, sample: Sample) -> Fit | None:
        """How a file fits this layout, if it does."""
        for form in self.forms:
            spec = form(sample)
            if spec is not None:
                return Fit(layout=self, spec=spec, why=f"{sample.path.name}: {_looks(form)}")
        return None

    def looks(self) -> str:
        """What its tables look like, for errors."""
        return "; or ".join(_looks(form) for form in self.forms)


def _looks(form: Form) -> str:
    return (form.__doc__ or "").strip().rstrip(".").replace("``", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A file, understood as a table of a layout, and why."""

    layout: Layout
    spec: TableSpec
    why: str


LAYOUTS: Final[Mapping[str, Layout]] = {
    layout.name: layout
    for layout in (
        Layout(
            name="bvcc",
            about="BVCC and VoiceMOS 2022 lists",
            source="VoiceMOS Challenge 2022; nii-yamagishilab/mos-finetune-ssl",
            forms=(known.bvcc_listeners, known.bvcc_means),
            files=(("**/TRAINSET", "**/DEVSET", "**/TESTSET"), ("**/*_mos_list.txt",)),
        ),
        Layout(
            name="vcc2018",
            about="Voice Conversion Challenge 2018",
            source="unilight/LDNet, data/vcc2018",
            forms=(known.vcc2018,),
        ),
        Layout(
            name="svcc23",
            about="Singing Voice Conversion Challenge 2023",
            source="VoiceMOS Challenge 2023 Track 2; unilight/sheet, egs/svcc23",
            forms=(known.svcc23_listeners, known.svcc23_means),
        ),
        Layout(
            name="vmc23",
            about="VoiceMOS 2023 Track 1 (French TTS) and Track 3 (noisy speech)",
            source="VoiceMOS Challenge 2023; unilight/sheet, egs/vmc23",
            forms=(known.vmc23_means,),
        ),
        Layout(
            name="vmc24_track3",
            about="VoiceMOS 2024 Track 3, noisy and enhanced speech",
            source="VoiceMOS Challenge 2024; unilight/sheet, egs/vmc24_track3",
            forms=(known.vmc24_track3,),
        ),
        Layout(
            name="audiomos25_t3",
            about="AudioMOS 2025 Track 3, speech at several sampling rates",
            source="AudioMOS Challenge 2025",
            forms=(known.audiomos25_listeners, known.audiomos25_means),
            files=(("**/utt_*.csv",), ("**/*_mos_list.txt",)),
        ),
        Layout(
            name="somos",
            about="SOMOS, neural speech synthesis",
            source="Maniati et al. 2022, zenodo.org/records/7378801",
            forms=(known.somos_listeners, known.somos_means),
            files=(
                ("**/split1/full/TRAINSET", "**/split1/full/VALIDSET", "**/split1/full/TESTSET"),
                ("**/raw_scores_removed_excess_gt.tsv",),
                ("**/raw_scores.tsv",),
            ),
        ),
        Layout(
            name="tmhint_qi",
            about="TMHINT-QI, noisy and enhanced Mandarin",
            source="Chen and Tsao 2022; yuwchen/InQSS",
            forms=(known.tmhint_qi,),
        ),
        Layout(
            name="nisqa",
            about="NISQA corpus, five dimensions",
            source="gabrielmittag/NISQA; ConferencingSpeech 2022",
            forms=(known.nisqa,),
            files=(("**/NISQA_corpus_file.csv",), ("**/NISQA_*_file.csv",)),
        ),
        Layout(
            name="tencent",
            about="Tencent corpus, online meetings",
            source="ConferencingSpeech 2022",
            forms=(known.tencent,),
        ),
        Layout(
            name="pstn",
            about="PSTN corpus, telephone calls",
            source="ConferencingSpeech 2022",
            forms=(known.pstn,),
        ),
        Layout(
            name="iub",
            about="IU Bloomington corpus (COSINE and VOiCES), 0 to 100",
            source="Dong and Williamson 2020; ConferencingSpeech 2022",
            forms=(known.iub,),
        ),
        Layout(
            name="p835",
            about="P.835: signal, background, overall",
            source="microsoft/P.808, p835_reference_conditions",
            forms=(known.p835,),
        ),
        Layout(
            name="sheet",
            about="CSV of the SHEET toolkit",
            source="unilight/sheet, egs/README.md",
            forms=(known.sheet,),
        ),
        Layout(
            name="urgent",
            about="JSON lines of URGENT-MOS",
            source="vvwangvv/URGENT-MOS",
            forms=(known.urgent,),
        ),
        Layout(
            name=GENERIC,
            about="any table with telling column names",
            source="docs/layouts.md lists the names",
            forms=(
                generic.list_table,
                generic.listener_table,
                generic.mean_table,
                generic.two_columns,
                generic.clip_table,
            ),
        ),
    )
}
"""Every layout by its name."""


def layout_named(name: str) -> Layout:
    """A layout of the table.

    Raises:
        UnknownName: there is none of this name.
    """
    if name not in LAYOUTS:
        raise UnknownName("layout", name, LAYOUTS)
    return LAYOUTS[name]


def fits(sample: Sample) -> list[Fit]:
    """Every layout that a file could be; ``generic`` only where nothing else fits."""
    found = [fit for layout in LAYOUTS.values() if (fit := layout.fit(sample))]
    return [fit for fit in found if fit.layout.name != GENERIC] or found


def detect(samples: Sequence[Sample]) -> list[Fit]:
    """What each file is, where all are of one layout and only one will do.

    Raises:
        InvalidRatings: a file fits no layout, or the files fit several or none together.
    """
    found = [fits(sample) for sample in samples]
    for sample, candidates in zip(samples, found, strict=True):
        if not candidates:
            raise unrecognised(sample)
    common = [name for name in LAYOUTS if all(any(f.layout.name == name for f in c) for c in found)]
    if len(common) != 1:
        reasons = "; ".join(f"{f.layout.name}: {f.why}" for c in found for f in c)
        what = "The layout is not clear" if common else "The files are of different layouts"
        raise InvalidRatings(f"{what} ({reasons}). Name the layout, or import one at a time.")
    return [next(f for f in c if f.layout.name == common[0]) for c in found]


def unrecognised(sample: Sample) -> InvalidRatings:
    """The error for a file that fits no layout, with what it has and what is understood."""
    if not sample.has_header:
        return InvalidRatings(
            f"{sample.path} has no header and {len(sample.columns)} columns that no layout knows. "
            "Say what they are in a mapping file."
        )
    columns = ", ".join(sample.columns)
    missing = "the score" if generic.clip_column(sample) else "the clip"
    aliases = generic.CLIP if missing == "the clip" else (*generic.SINGLE, *generic.MEAN)
    return InvalidRatings(
        f"{sample.path} has the columns {columns}; one for {missing} is missing. It may be "
        f"called: {', '.join(aliases)}. Or name the columns in a mapping file."
    )


def describe_layouts() -> str:
    """The layouts as lines of text, for ``--help`` and for people."""
    width = max(map(len, LAYOUTS))
    return "\n".join(
        f"{layout.name:<{width}}  {layout.about} ({layout.source})" for layout in LAYOUTS.values()
    )
