"""The documentation names everything there is; what it leaves out is found here."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import steeple
from steeple import Collection, errors, evaluation
from steeple.cli.app import app
from steeple.cli.reference import cli_reference

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SETTINGS = (
    "format",
    "generation",
    "next_row",
    "next_byte",
    "embedder",
    "embedder_folder",
    "dimension",
    "local_features",
    "seed",
    "calibration",
    "training_size",
    "uncalibrated_changes",
    "judge",
    "unjudged_changes",
    "cohort",
    "index",
)


def read(name: str) -> str:
    path = ROOT / name
    assert path.is_file(), f"{name} is missing"
    return path.read_text(encoding="utf-8")


def names(text: str, name: str) -> bool:
    """Whether a text has a name as code, between backticks or in an example."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def verbs() -> dict[str, list[str]]:
    """Verb -> the spellings of its options; a verb of a group is called by both names."""

    def below(name: str, command: Any) -> Iterator[tuple[str, list[str]]]:
        yield (
            name,
            [word for p in command.params for word in p.opts if word.startswith("-")],
        )
        for called, inner in getattr(command, "commands", {}).items():
            yield from below(f"{name} {called}", inner)

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return dict(pair for verb, command in commands.items() for pair in below(verb, command))


def test_the_command_line_page_is_up_to_date():
    assert read("docs/cli.md") == cli_reference(), (
        "docs/cli.md is not what the command says; write it anew with: "
        "python -m steeple.cli.reference > docs/cli.md"
    )


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_and_option_is_documented(verb):
    section = read("docs/cli.md").split(f"## steeple {verb}\n")[1].split("\n## ")[0]
    for option in verbs()[verb]:
        assert f"`{option}" in section


PUBLIC = [*steeple.__all__, *evaluation.__all__, *errors.__all__]


@pytest.mark.parametrize("name", sorted(set(PUBLIC)))
def test_every_public_name_is_documented(name):
    assert names(read("docs/api.md"), name)


METHODS = sorted(name for name in dir(Collection) if not name.startswith("_"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_of_a_collection_is_documented(name):
    assert names(read("docs/api.md"), name)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "places"
    Collection.create(folder).close()
    connection = sqlite3.connect(folder / "collection.sqlite")
    yield connection
    connection.close()


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_documented(key):
    assert names(read("docs/formats.md"), key)


def test_the_settings_listed_here_are_all(database):
    stored = {key for (key,) in database.execute("SELECT key FROM setting")}
    assert stored <= set(SETTINGS)
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (Path(steeple.__file__).parent / "collection").glob("*.py")
    )
    used = re.findall(r'(?:\.setting\(|put_setting\(\S+, |get_setting\(\S+, )"(\w+)"', source)
    assert set(used) <= set(SETTINGS)


def test_every_table_and_column_is_documented(database):
    text = read("docs/formats.md")
    tables = [
        name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    assert {"setting", "landmark", "image"} <= set(tables)
    for table in tables:
        assert names(text, table)
        for _, column, *_ in database.execute(f"PRAGMA table_info ({table})"):
            assert names(text, column), f"column {column} of table {table}"


def dependencies() -> list[str]:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    lines = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        lines += extra
    matches = [re.match(r"[\w.-]+", line) for line in lines if not line.startswith("steeple")]
    return [match[0] for match in matches if match]


@pytest.mark.parametrize("name", dependencies())
def test_every_dependency_has_its_reason(name):
    assert names(read("docs/architecture.md"), name)


def test_every_room_is_in_the_plan():
    text = read("docs/architecture.md")
    for path in Path(steeple.__file__).parent.iterdir():
        if not path.name.startswith("_") and (path.suffix == ".py" or path.is_dir()):
            assert names(text, path.stem), path.name


def test_the_changelog_has_this_version():
    assert re.search(rf"^## .*\b{re.escape(steeple.__version__)}\b", read("CHANGELOG.md"), re.M)


PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_point_to_files_that_exist(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for target in targets:
        place, _, anchor = target.partition("#")
        if ":" in place:
            continue
        path = (page.parent / place).resolve() if place else page
        assert path.exists(), f"{page.name} points to {target}, which is not there"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page.name} points to {target}: no such heading"


def anchors(page: Path) -> set[str]:
    """The anchors that headings get: lower case, words joined by dashes, punctuation dropped."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


BENCHMARKS = sorted(
    path.name
    for path in (ROOT / "benchmarks").glob("*.py")
    if "__main__" in path.read_text(encoding="utf-8")  # what they share runs nothing by itself
)


@pytest.mark.parametrize("script", BENCHMARKS)
def test_every_benchmark_is_explained(script):
    assert script in read("docs/performance.md")
