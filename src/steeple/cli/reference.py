"""The command line as a page: ``python -m steeple.cli.reference > docs/cli.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from steeple.cli.app import app

__all__ = ["cli_reference"]

_HEAD = """\
# The command line

<!-- Written by: python -m steeple.cli.reference > docs/cli.md -->

Tables and JSON go to stdout, progress and errors to stderr. An error is one line; `--debug`,
anywhere on the line, adds the traceback. A photo whose name begins with a dash goes behind `--`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | found nothing to do, or a check failed |
| 2 | bad usage or input |
| 3 | the machine lacks something: an extra, space, a permission |
| 130 | interrupted with Ctrl-C |
"""


def cli_reference() -> str:
    """Every verb with its help, its arguments and its options, as Markdown."""
    group: Any = typer.main.get_command(app)
    verbs: Mapping[str, Any] = group.commands
    parts = [_HEAD, f"## steeple\n\n{group.help}\n", *_table("option", _options(group))]
    for name, verb in verbs.items():
        parts += _verb(f"steeple {name}", verb)
    return "\n".join(parts)


def _verb(name: str, verb: Any) -> Iterator[str]:
    """What a verb does, or a group of verbs and each of them."""
    inner: Mapping[str, Any] = getattr(verb, "commands", {})
    arguments = [_argument(p) for p in verb.params if p.param_type_name == "argument"]
    words = ["VERB"] if inner else [*arguments, *_required(verb), "[OPTIONS]"]
    yield f"## {name}\n\n    {' '.join([name, *words])}\n\n{verb.help}\n"
    yield from _table("argument", _arguments(verb))
    yield from _table("option", _options(verb))
    for called, one in inner.items():
        yield from _verb(f"{name} {called}", one)


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _spelling(parameter: Any) -> str:
    """How an option is written: ``-k``, ``--out``, and what stands for its value."""
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {parameter.name.strip('_').upper()}"


def _required(verb: Any) -> Iterator[str]:
    for parameter in verb.params:
        if parameter.param_type_name == "option" and parameter.required:
            yield _spelling(parameter)


def _arguments(verb: Any) -> Iterator[tuple[str, str]]:
    for parameter in verb.params:
        if parameter.param_type_name == "argument":
            yield _argument(parameter), parameter.help


def _options(verb: Any) -> Iterator[tuple[str, str]]:
    for parameter in verb.params:
        if parameter.param_type_name == "option":
            yield _spelling(parameter), parameter.help + _default(parameter)


def _default(parameter: Any) -> str:
    if parameter.required:
        return " Required."
    if parameter.is_flag or parameter.default in (None, ""):
        return ""
    return f" Default: `{parameter.default}`."


def _table(title: str, rows: Iterator[tuple[str, str]]) -> list[str]:
    """The lines of a table; none where it would be empty."""
    lines = [f"| `{name}` | {text.replace('|', chr(92) + '|')} |\n" for name, text in rows]
    return ["".join([f"| {title} | |\n|---|---|\n", *lines])] if lines else []


if __name__ == "__main__":
    sys.stdout.write(cli_reference())
