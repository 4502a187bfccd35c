"""The steeple command: its verbs, and what happens when one of them fails."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from steeple.cli.add import add
from steeple.cli.build import build
from steeple.cli.console import console, errors
from steeple.cli.demo import demo
from steeple.cli.doctor import doctor
from steeple.cli.evaluate import evaluate
from steeple.cli.recognize import recognize
from steeple.cli.remove import remove
from steeple.cli.search import search
from steeple.errors import SteepleError

__all__ = ["app", "main"]

app = typer.Typer(
    name="steeple",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for verb in (demo, build, add, remove, search, recognize, evaluate, doctor):
    app.command()(verb)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.print(f"steeple {version('steeple')}")
        raise typer.Exit


@app.callback()
def steeple(
    version: Annotated[  # noqa: ARG001 - the callback answers
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Find and name landmarks in photo collections of any size."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(message)s")


def main() -> None:
    """Runs the command; an error steeple raises on purpose becomes one line and an exit code."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    if debug:  # wherever it stands, people add it at the end of the line that failed
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    try:
        app(arguments)
    except SteepleError as error:
        if debug:
            raise
        errors.print(f"error: {error}", markup=False, soft_wrap=True, style="red")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
