"""What a cluster has to be for a build to begin, and what travels to it; all without Ray."""

import importlib
import sys
from pathlib import Path

import pytest

from mosdata import __version__
from mosdata.cluster import Node, refuse_strangers
from mosdata.cluster.travel import KEPT_MEMORY, TUNABLES, keeping_memory, users_modules
from mosdata.errors import UsageError

GOOD = {"cpus": 4.0, "gpus": 0.0, "python": "3.11.7", "ray": "2.60.0", "mosdata": __version__}


def refusal(*nodes):
    """What is said to a cluster of these nodes."""
    with pytest.raises(UsageError) as caught:
        refuse_strangers(nodes, Path("/home/me/out.run"))
    return str(caught.value)


def test_nodes_that_agree_are_taken():
    """As many as there are."""
    refuse_strangers([Node(name=f"n{i}", **GOOD) for i in range(3)], Path("/shared/out.run"))


def test_a_folder_of_one_node_is_refused_and_the_others_are_named():
    """With the folder, what each of them lacks, and what to do."""
    said = refusal(
        Node(name="sees", **GOOD),
        Node(name="blind", folder_trouble="does not see it", **GOOD),
        Node(name="mute", folder_trouble="what it writes there does not appear here", **GOOD),
    )

    assert said.startswith("2 nodes of the cluster cannot use /home/me/out.run (")
    assert "blind: does not see it; mute: what it writes there" in said
    assert "sees:" not in said
    assert "--out" in said


def test_another_mosdata_is_refused():
    """Two versions would make one dataset."""
    said = refusal(Node(name="new", **GOOD), Node(name="old", **{**GOOD, "mosdata": "0.0.1"}))

    assert "old has 0.0.1" in said
    assert __version__ in said


def test_a_node_without_mosdata_is_refused_by_name():
    """Before its workers fail to import it."""
    lost = Node(name="bare", trouble="mosdata is not installed there", **{**GOOD, "mosdata": None})

    assert "1 node of the cluster cannot work for us (bare: mosdata is not installed" in refusal(
        lost
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "glibc.malloc.hugetlb=1"),
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0"),
        ("glibc.rtld.nns=8", "glibc.malloc.hugetlb=1:glibc.rtld.nns=8"),
        ("glibc.malloc.hugetlb=1:glibc.rtld.nns=8", "glibc.malloc.hugetlb=1:glibc.rtld.nns=8"),
    ],
)
def test_what_the_user_set_of_the_c_library_stays(given, expected):
    """After ours, for the last one wins; a worker's worker has them once."""
    environment = {"HOME": "/home/me", **({} if given is None else {TUNABLES: given})}

    made = keeping_memory(environment)

    assert made == {"HOME": "/home/me", **KEPT_MEMORY, TUNABLES: expected}
    assert keeping_memory(made) == made


@pytest.fixture
def users_folder(tmp_path, monkeypatch):
    """A folder on the import path with an engine, what it imports, and a package."""
    (tmp_path / "travel_engine.py").write_text("import travel_helper\nimport travel_package\n")
    (tmp_path / "travel_helper.py").write_text("")
    (tmp_path / "travel_package").mkdir()
    (tmp_path / "travel_package" / "__init__.py").write_text("")
    (tmp_path / "travel_never_imported.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("travel_")]:
        del sys.modules[name]


def test_what_the_user_brought_travels(users_folder):
    """The engine, its neighbours, whole packages; nothing that was not imported."""
    importlib.import_module("travel_engine")
    found = [Path(path) for path in users_modules()]

    expected = ["travel_engine.py", "travel_helper.py", "travel_package"]
    assert expected == [path.name for path in found if path.parent == users_folder]


def test_what_is_installed_stays():
    """Neither the standard library, nor packages, nor mosdata itself."""
    found = {Path(path).name for path in users_modules()}

    assert not found & {"mosdata", "json", "pathlib.py", "pytest", "numpy", "typer"}
