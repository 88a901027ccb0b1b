"""Every command and every option is explained, on the spot and in docs/cli.md."""

import ast
import re
from doctest import DocTestParser, DocTestRunner, script_from_examples
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

from mosdata.cli import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "cli.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
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


def blocks_of(page):
    """Examples in Python."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_python_imports_in_the_docs_is_there(page):
    """Every block is Python, and every name of ours in it can be imported."""
    for block in blocks_of(page):
        script = script_from_examples(block) if ">>>" in block else block
        for node in ast.walk(ast.parse(script)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mosdata"):
                module = import_module(node.module)
                assert not [one.name for one in node.names if not hasattr(module, one.name)]


def test_the_example_of_corruptions_runs():
    """What was applied once makes the same samples again."""
    (block,) = blocks_of(ROOT / "docs" / "corruptions.md")
    names = {}
    exec(block, names)

    assert (names["again"].samples == names["harmed"].samples).all()


def test_the_examples_of_texts_say_what_they_say():
    """With the answers that they show."""
    (block,) = (block for block in blocks_of(ROOT / "docs" / "text.md") if ">>>" in block)
    example = DocTestParser().get_doctest(block, {}, "text.md", None, 0)

    assert DocTestRunner(verbose=False).run(example).failed == 0
