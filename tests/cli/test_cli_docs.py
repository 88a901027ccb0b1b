"""Every command and every option is explained, on the spot and in docs/cli.md."""

from pathlib import Path

import pytest
import typer.main

from mosdata.cli import app

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name):
    """A sentence for the command, one for each option."""
    command = COMMANDS[name]

    assert command.help
    assert not [param.name for param in command.params if not getattr(param, "help", None)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_docs(name):
    """By its full name, with each of its options."""
    text = DOCS.read_text(encoding="utf-8")

    assert f"mosdata {name}" in text
    for param in COMMANDS[name].params:
        spellings = [o for o in (*param.opts, *param.secondary_opts) if o.startswith("--")]
        assert not spellings or any(option in text for option in spellings), spellings
