"""The ``mosdata`` command: one file per command, each parses, builds a config, calls one function.

Results go to standard output, words for people to standard error. Exit codes: 0 done, 1 failed,
2 wrong use, 130 stopped by Ctrl-C. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from mosdata import __version__
from mosdata.cli.build import build
from mosdata.cli.corrupt import corrupt
from mosdata.cli.doctor import doctor
from mosdata.cli.engines import doctor as engines_doctor
from mosdata.cli.engines import install as engines_install
from mosdata.cli.engines import list_ as engines_list
from mosdata.cli.evaluate import evaluate
from mosdata.cli.import_ import import_
from mosdata.cli.label import label
from mosdata.cli.ladder import ladder
from mosdata.cli.publish import publish
from mosdata.cli.ratings import adapt as ratings_adapt
from mosdata.cli.ratings import debias as ratings_debias
from mosdata.cli.ratings import inspect as ratings_inspect
from mosdata.cli.repair import repair
from mosdata.cli.run_shards import run_shards
from mosdata.cli.score import score
from mosdata.cli.splits import check as splits_check
from mosdata.cli.splits import make as splits_make
from mosdata.cli.status import status
from mosdata.cli.train import train
from mosdata.cli.verify import verify
from mosdata.errors import MosdataError

app = typer.Typer(
    name="mosdata",
    help="Build speech-quality datasets, train MOS predictors, and judge them honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

STOPPED: Final = "what is finished is kept; run the same command again to go on."


class _Stopped(MosdataError):
    """Ctrl-C, turned into an error of ours before Typer turns it into a bare exit code."""

    exit_code = 130


def _stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """The same command, as far as Typer can see."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt as error:
            raise _Stopped(STOPPED) from error

    return run


def _name_of(command: Callable[..., None]) -> str:
    """``import_`` is the command import, ``run_shards`` is run-shards."""
    return command.__name__.rstrip("_").replace("_", "-")


DATA, TRUTH, JUDGES, HOUSE = "Data", "Truth", "Judges", "House"

command: Callable[..., None]
for command, panel in (
    (build, DATA),
    (import_, DATA),
    (corrupt, DATA),
    (ladder, DATA),
    (label, DATA),
    (publish, DATA),
    (verify, DATA),
    (status, DATA),
    (repair, DATA),
    (run_shards, DATA),
):
    app.command(name=_name_of(command), rich_help_panel=panel)(_stoppable(command))

ratings = typer.Typer(no_args_is_help=True)
ratings.command(name="inspect")(_stoppable(ratings_inspect))
ratings.command(name="debias")(_stoppable(ratings_debias))
ratings.command(name="adapt")(_stoppable(ratings_adapt))
app.add_typer(
    ratings,
    name="ratings",
    rich_help_panel=TRUTH,
    help="What people's scores are worth, without their habits, and for raters nobody knows.",
)

splits = typer.Typer(no_args_is_help=True)
splits.command(name="make")(_stoppable(splits_make))
splits.command(name="check")(_stoppable(splits_check))
app.add_typer(
    splits,
    name="splits",
    rich_help_panel=TRUTH,
    help="Split by what clips share, and find what a split lets through.",
)

engines = typer.Typer(no_args_is_help=True)
engines.command(name="list")(_stoppable(engines_list))
engines.command(name="install")(_stoppable(engines_install))
engines.command(name="doctor")(_stoppable(engines_doctor))
app.add_typer(
    engines,
    name="engines",
    rich_help_panel=HOUSE,
    help="The systems that speak: which there are, what they need, whether they work here.",
)

for command, panel in ((train, JUDGES), (evaluate, JUDGES), (score, JUDGES), (doctor, HOUSE)):
    app.command(name=_name_of(command), rich_help_panel=panel)(_stoppable(command))


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"mosdata {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda value: _show_version(wanted=value),
            is_eager=True,
            help="Show the version and leave.",
        ),
    ] = False,
) -> None:
    """Options of ``mosdata`` itself."""


def main() -> None:
    """Run the command line; what users can mend becomes one message and an exit code."""
    try:
        app()
    except (_Stopped, KeyboardInterrupt):
        _complain(STOPPED, word="stopped")
        sys.exit(_Stopped.exit_code)
    except MosdataError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise  # not about a file of the user's: the traceback is for us
        _complain(f"{error.filename}: {error.strerror}.")
        sys.exit(1)


def _complain(message: str, *, word: str = "error") -> None:
    from mosdata.cli.console import complain

    complain(message, word=word)
