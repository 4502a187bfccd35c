"""The house plan: who imports whom, how long modules and functions are, what is documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import steeple

SOURCE = Path(steeple.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

# From the ground up: a room imports from the floors below it and from itself.
FLOORS = (
    "errors",
    "progress",
    "threads",
    "processes",
    "extras",
    "images",
    "networks",
    "geometry",
    "embedding",
    "retrieval",
    "shelves",
    "datasets",
    "collection",
    "cleaning",
    "evaluation",
    "training",
    "arrays",
    "report",
    "demo",
    "cli",
)
ASIDE = {"environment": {"errors"}}  # rooms that stand beside the house
MODULE_LINES, FUNCTION_LINES = 400, 60


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of everything a module imports, inside of functions too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    parts = [name.split(".") for name in imports(path)]
    return {part[1] for part in parts if part[0] == "steeple" and len(part) > 1}


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public functions and classes, with the public methods of those classes."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, the docstring aside: explaining more is no reason to cut."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert rooms == {*FLOORS, *ASIDE}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_import_from_below(path):
    room = room_of(path)
    if room == "__init__":
        allowed = {*FLOORS} - {"report", "demo", "cli"}
    elif room == "__main__":
        allowed = {"cli"}
    elif room in ASIDE:
        allowed = ASIDE[room] | {room}
    else:
        allowed = {*FLOORS[: FLOORS.index(room) + 1], *ASIDE}
    assert rooms_used(path) <= allowed


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room_of(path) == "retrieval"], ids=name_of
)
def test_retrieval_knows_no_file_and_no_image(path):
    known = {"numpy", "scipy", "faiss", "steeple"}
    unwanted = {"pathlib", "os", "io", "sqlite3", "shutil", "tempfile", "mmap"}
    roots = {name.split(".")[0] for name in imports(path)}
    assert roots <= known | set(sys.stdlib_module_names) - unwanted
    assert rooms_used(path) <= {"retrieval", "errors", "threads", "extras"}


def test_import_brings_no_extra_and_no_service():
    heavy = (
        *("torch", "torchvision", "timm", "accelerate", "onnx", "onnxruntime"),
        *("kornia", "pillow_heif", "typer"),
        *("fastapi", "uvicorn", "ray", "pymilvus"),
    )
    code = f"import steeple, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES
    functions = [
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {node.name: length(node) for node in functions if length(node) > FUNCTION_LINES}
    assert not long


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_everything_public_is_documented(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    bare = [
        node.name
        for node in public(tree.body)
        if not ast.get_docstring(node)
        and not node.name.startswith("__")
        # An overload has the docstring of what it is an overload of.
        and not any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)
    ]
    assert not bare


def needs_all(path: Path) -> bool:
    """Modules that define something; the parts of the toy city are for its own two doors only."""
    inner = room_of(path) == "demo" and path.stem not in ("__init__", "tour")
    return len(tree_of(path).body) > 1 and path.name != "__main__.py" and not inner


@pytest.mark.parametrize("path", [path for path in MODULES if needs_all(path)], ids=name_of)
def test_modules_say_what_is_public(path):
    tree = tree_of(path)
    (stated,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    ]
    assert len(stated) == len(set(stated))


def test_public_names_exist():
    from steeple import errors, evaluation, retrieval

    for module in (steeple, errors, evaluation, retrieval):
        for name in module.__all__:
            assert hasattr(module, name)
