"""Signatures of functions in a source tree, read without importing it.

A committed snapshot of upstream's is compared with the stub of the unit tests always, and with a
real checkout where there is one::

    python tests/synth/signatures.py cosyvoice CHECKOUT > tests/synth/contracts/cosyvoice.json
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).with_name("contracts")


def signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[list[str]]:
    """Parameters in order, each with its default as it is written, or alone."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    first_default = len(positional) - len(args.defaults)
    found = [
        [arg.arg, ast.unparse(args.defaults[index - first_default])]
        if index >= first_default
        else [arg.arg]
        for index, arg in enumerate(positional)
    ]
    if args.vararg:
        found.append(["*" + args.vararg.arg])
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found.append([arg.arg] if default is None else [arg.arg, ast.unparse(default)])
    if args.kwarg:
        found.append(["**" + args.kwarg.arg])
    return found


def signatures(root: Path, wanted: dict[str, list[str]]) -> dict[str, dict[str, list[list[str]]]]:
    """Signatures of ``function`` or ``Class.method`` in files below a folder."""
    found: dict[str, dict[str, list[list[str]]]] = {}
    for path, names in wanted.items():
        tree = ast.parse((root / path).read_text(encoding="utf-8"))
        known = {
            name: node
            for owner in tree.body
            for name, node in _functions(owner)
            if isinstance(node, ast.FunctionDef)
        }
        found[path] = {name: signature(known[name]) for name in names}
    return found


def _functions(node: ast.stmt) -> list[tuple[str, ast.stmt]]:
    if isinstance(node, ast.ClassDef):
        return [(f"{node.name}.{each.name}", each) for each in node.body if hasattr(each, "name")]
    return [(node.name, node)] if hasattr(node, "name") else []


def read_contract(name: str) -> dict:
    """The committed snapshot: ``commit`` and ``files``."""
    return json.loads((CONTRACTS / f"{name}.json").read_text(encoding="utf-8"))


def wanted_of(contract: dict) -> dict[str, list[str]]:
    """What a snapshot is about."""
    return {path: list(functions) for path, functions in contract["files"].items()}


def written(contract: dict) -> str:
    """A snapshot as JSON with one function a line, so that a diff shows what changed."""
    files = [
        f"  {json.dumps(path)}: {{\n"
        + ",\n".join(f"   {json.dumps(name)}: {json.dumps(found)}" for name, found in each.items())
        + "\n  }"
        for path, each in contract["files"].items()
    ]
    head = [f" {json.dumps(key)}: {json.dumps(contract[key])},\n" for key in contract][:-1]
    return "{\n" + "".join(head) + ' "files": {\n' + ",\n".join(files) + "\n }\n}\n"


def main() -> None:
    """Print the snapshot anew, of the same functions in another commit."""
    name, root = sys.argv[1], Path(sys.argv[2])
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    contract = {**read_contract(name), "commit": commit}
    contract["files"] = signatures(root, wanted_of(contract))
    sys.stdout.write(written(contract))


if __name__ == "__main__":
    main()
