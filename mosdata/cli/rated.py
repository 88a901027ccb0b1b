"""What ``mosdata ratings`` looks at: a dataset's ratings, or tables in any known layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosdata.cli.options import WORKSPACE

if TYPE_CHECKING:
    import pyarrow as pa

    from mosdata.manifests.store import Dataset
    from mosdata.raters.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """Ratings and what is known of the clips, wherever they came from.

    ``dataset`` is None for tables; ``clips`` has the columns ``name``, ``system``, ``mos`` and
    ``mos_scale``; ``findings`` are what reading found odd.
    """

    name: str
    sources: tuple[Path, ...]
    dataset: Dataset | None
    ratings: pa.Table
    clips: pa.Table
    findings: Sequence[Any]

    def panel(self, *, kind: str, dimension: str | None) -> Panel:
        """The ratings of one kind and dimension.

        Args:
            kind: human, or a metric.
            dimension: what was judged; where None, ``mos``, ``ovrl`` or the only one that there is.

        Raises:
            NothingFound: there are none; says what there is.
            InvalidValue: they compare pairs of clips.
            InvalidRatings: they are on several scales, or off theirs.
        """
        from mosdata.manifests.scales import SCALES, opinion_scale
        from mosdata.raters.panel import Panel

        chosen = self._dimension(kind, dimension)
        panel = Panel.from_ratings(
            self.ratings, kind=kind, dimension=chosen, systems=self.clips.select(["name", "system"])
        )
        if panel.scale.name in SCALES:
            opinion_scale(panel.scale.name)
        return panel

    def _dimension(self, kind: str, wanted: str | None) -> str:
        from mosdata.corpora.spec import OVERALL
        from mosdata.errors import NothingFound

        pairs = self.ratings.select(["kind", "dimension"]).group_by(["kind", "dimension"])
        present = sorted((row["kind"], row["dimension"]) for row in pairs.aggregate([]).to_pylist())
        mine = [dimension for of_kind, dimension in present if of_kind == kind]
        usual = [name for name in OVERALL if name in mine] or (mine if len(mine) == 1 else [])
        if wanted is None and usual:
            return usual[0]
        if wanted in mine:
            return str(wanted)
        listed = ", ".join(f"{of_kind}.{dimension}" for of_kind, dimension in present) or "nothing"
        asked = f"{kind}.{wanted}" if wanted else f"the kind {kind!r} and one dimension only"
        raise NothingFound(
            f"{self.name} has no ratings of {asked}; it has {listed}. "
            "Choose with --kind and --dimension."
        )

    def published(self, panel: Panel) -> dict[str, float]:
        """Scores that the corpus publishes for its clips, on the scale of the panel."""
        from mosdata.corpora.spec import OVERALL
        from mosdata.manifests.rows import HUMAN

        if panel.kind != HUMAN or panel.dimension not in OVERALL:
            return {}
        columns = (self.clips[name].to_pylist() for name in ("name", "mos", "mos_scale"))
        return {
            name: mos
            for name, mos, scale in zip(*columns, strict=True)
            if mos is not None and scale in (None, panel.scale.name)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How tables are to be read; a dataset says all of this itself."""

    layout: str | None = None
    mapping: Path | None = None
    scale: str | None = None


def rated(
    sources: Sequence[Path], *, dimension: str | None = None, reading: Reading | None = None
) -> Rated:
    """Open what was named, or the newest dataset under ``./out``.

    Args:
        sources: a dataset folder, or tables in any layout that ``mosdata import`` reads.
        dimension: what was judged, where tables do not say.
        reading: how tables are to be read.

    Raises:
        NothingFound: nothing was named and there is no dataset; or no such file.
        UsageError: a way of reading tables, and no table.
        InvalidRatings: a table cannot be read as ratings.
    """
    from mosdata.cli.found import dataset_or_newest
    from mosdata.corpora.read import read_corpus
    from mosdata.errors import UsageError
    from mosdata.manifests.store import MANIFEST_NAME

    how = reading or Reading()
    if not sources or (len(sources) == 1 and (sources[0] / MANIFEST_NAME).is_file()):
        if how != Reading():
            raise UsageError("--layout, --mapping and --scale are for tables; a dataset says it.")
        named = sources[0] if sources else None
        return _of_dataset(dataset_or_newest(named, stages=None, first="mosdata import TABLE"))
    corpus = read_corpus(
        sources,
        layout=how.layout,
        mapping=how.mapping,
        scale=how.scale,
        dimension=dimension or "mos",
    )
    return Rated(
        name=" + ".join(source.name for source in sources),
        sources=tuple(sources),
        dataset=None,
        ratings=corpus.numbered,
        clips=corpus.clips.select(["name", "system", "mos", "mos_scale"]),
        findings=corpus.findings,
    )


def _of_dataset(dataset: Dataset) -> Rated:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    from mosdata.builders.findings import findings_of
    from mosdata.manifests.schema import ratings_schema

    clips = dataset.table(["id", "system", "mos", "mos_scale"]).rename_columns(
        ["name", "system", "mos", "mos_scale", "split"]
    )
    files = [pq.read_table(path) for path in dataset.rating_files]
    tables = [table.replace_schema_metadata(None) for table in files]
    provenance = dataset.folder / "provenance.json"
    known: Mapping[str, Any] = (
        json.loads(provenance.read_text(encoding="utf-8")) if provenance.is_file() else {}
    )
    return Rated(
        name=dataset.folder.resolve().name,
        sources=(dataset.folder,),
        dataset=dataset,
        ratings=pa.concat_tables([ratings_schema().remove_metadata().empty_table(), *tables]),
        clips=clips,
        findings=findings_of(known),
    )


def beside(found: Rated, name: str) -> Path:
    """Where a page goes unless a place is named: the dataset's run folder, or here."""
    from mosdata.builders.stage import run_folder

    return Path(name) if found.dataset is None else run_folder(found.dataset.folder) / name


def default_table(found: Rated, what: str) -> Path:
    """Where a table goes unless a place is named: under ``./out``, by the source's name."""
    return WORKSPACE / f"{found.sources[0].resolve().stem}-{what}.csv"
