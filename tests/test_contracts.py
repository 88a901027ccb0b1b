"""What holds for every file of the project."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Spelled in pieces, so that this file keeps its own promises.
HTTP = "http:" + 2 * "/"
MACHINE_PATHS = re.compile(rf"(?<![\w.~:-])/{'work'}/|/{'opt'}/{'wheels'}")
PUBLIC = r"(?!(?:\w+\.)*(?:pypi|pytorch|pythonhosted)\.org\b)"
PRIVATE_REGISTRY = re.compile(
    rf"https?://{PUBLIC}[^\s/\"']+/(?:[^\s\"']*/)?(?:simple|pypi)\b"
    rf"|--(?:index-url|extra-index-url|find-links)[ =]+https?://{PUBLIC}"
)


def project_files():
    """Files that are, or could be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in map(ROOT.joinpath, names) if path.is_file()]


def offenders(pattern):
    """Lines that a pattern finds, with where they are."""
    found = []
    for path in project_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # pictures and sounds
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(lines, start=1)
            if pattern.search(line)
        ]
    return found


def test_no_file_holds_a_path_of_the_machine_it_was_written_on():
    """What is in the repository works anywhere."""
    assert offenders(MACHINE_PATHS) == []


def test_no_file_names_a_private_registry():
    """Where packages come from is the business of whoever installs them."""
    assert offenders(PRIVATE_REGISTRY) == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        (f"uv pip install --index-url {HTTP}mirror.example/python", True),
        (f"pkg @ {HTTP}10.0.0.1:8080/pypi/simple/pkg", True),
        ("see https://pypi.org/simple/ for the index", False),
        ("pip install --index-url https://download.pytorch.org/whl/cpu torch", False),
        ("https://example.org/a/simpleton", False),
    ],
)
def test_a_registry_would_be_found(line, is_found):
    """The pattern above can fail."""
    assert bool(PRIVATE_REGISTRY.search(line)) == is_found


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "mosdata").rglob("*.py")),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_every_module_says_what_it_is_for(path):
    """A docstring that begins with a sentence."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring
    assert len(docstring.splitlines()[0]) > 10
