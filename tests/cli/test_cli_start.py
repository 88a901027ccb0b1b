"""``--help`` answers at once: nothing heavy is imported before a command needs it."""

import json
import subprocess
import sys

HEAVY = {
    "torch",
    "ray",
    "transformers",
    "datasets",
    "pyarrow",
    "scipy",
    "pandas",
    "audiomentations",
    "numpy",
    "soundfile",
    "matplotlib",
}

LOADED = """
import json, sys
from mosdata.cli import main

for command in json.loads(sys.argv[1]):
    sys.argv = ["mosdata", *command]
    try:
        main()
    except SystemExit:
        pass
print("\\n" + json.dumps(sorted(sys.modules)))
"""

BARE = """
import json, sys
import typer
from typing import Annotated
app = typer.Typer(no_args_is_help=True)

@app.command(rich_help_panel="A")
def one(name: Annotated[str, typer.Argument(help="x")] = ""):
    "One."

@app.command(rich_help_panel="B")
def two():
    "Two."

sys.argv = ["bare", "--help"]
try:
    app()
except SystemExit:
    pass
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def modules(code, *commands):
    """Names of the modules that are loaded at the end."""
    ended = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {*json.loads(ended.stdout.splitlines()[-1])}


def heavy(loaded):
    """Packages among them that take long."""
    return {name.partition(".")[0] for name in loaded} & HEAVY


def commands():
    """Names of all commands."""
    from mosdata.cli import app

    return [command.name or command.callback.__name__ for command in app.registered_commands]


def test_help_loads_nothing_heavy():
    """Of any command, one after the other."""
    every = [["--help"], ["--version"], *([name, "--help"] for name in commands())]

    assert heavy(modules(LOADED, *every)) == set()


def test_something_heavy_would_be_noticed():
    """The list above can find what it looks for."""
    assert heavy(modules(LOADED, ["verify", "no-such-folder"])) >= {"pyarrow", "numpy"}


def test_help_costs_little_more_than_typer_itself():
    """At most one and a half times the modules of an empty program with two commands."""
    ours, bare = modules(LOADED, ["--help"]), modules(BARE)

    assert len(ours) <= 1.5 * len(bare)


def test_the_version_is_that_of_the_package(mosdata):
    """In one line."""
    from mosdata import __version__

    assert mosdata("--version").out == f"mosdata {__version__}\n"
