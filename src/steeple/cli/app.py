"""The steeple command: its verbs, and what happens when one of them fails."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from steeple.cli.add import add
from steeple.cli.build import build
from steeple.cli.clean import clean
from steeple.cli.console import console, errors
from steeple.cli.datasets import datasets
from steeple.cli.delf import delf
from steeple.cli.demo import demo
from steeple.cli.doctor import doctor
from steeple.cli.embed import embed
from steeple.cli.evaluate import evaluate
from steeple.cli.export import export
from steeple.cli.index import index
from steeple.cli.models import models
from steeple.cli.recognize import recognize
from steeple.cli.remove import remove
from steeple.cli.rerank import rerank
from steeple.cli.search import search
from steeple.cli.train import train
from steeple.errors import MachineError, SteepleError

__all__ = ["app", "main"]

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

app = typer.Typer(
    name="steeple",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for verb in (
    demo,
    build,
    add,
    remove,
    search,
    recognize,
    rerank,
    evaluate,
    embed,
    train,
    export,
    clean,
    delf,
    index,
    doctor,
):
    app.command()(verb)
app.add_typer(datasets, name="datasets")
app.add_typer(models, name="models")


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command and ends the process; whatever goes wrong becomes one line and an exit code.

    Args:
        arguments: the command line without the command's name; None takes that of the process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that it cannot say is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    # People add --debug at the end of the line that failed; what follows -- are photos.
    end = given.index("--") if "--" in given else len(given)
    debug = "--debug" in given[:end]
    words = [word for word in given[:end] if word != "--debug"] + given[end:]
    line = [*(["--debug"] if debug else []), *(words or ["--help"])]
    try:
        code = app(line, prog_name="steeple", standalone_mode=False)
    except SteepleError as error:
        code = _fail(str(error), error.exit_code, debug)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "steeple"
        reason = error.format_message().rstrip(".")
        code = _fail(f"{reason}; see: {command} --help", error.exit_code, debug)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a fault of ours, and no reason to shout
        code = _fail(_describe(error), MachineError.exit_code, debug)
    if code == _INTERRUPTED:
        errors.print("interrupted", style="red")
    sys.exit(code or 0)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    errors.print(f"error: {' '.join(message.split(chr(10)))}", style="red")
    return code


def _describe(error: Exception) -> str:
    """One line about an error that nobody foresaw."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; look at the disk and its permissions"
    if isinstance(error, MemoryError):
        return "memory has run out; try fewer --workers, or smaller photos"
    return (
        f"{type(error).__name__}: {error}; this is a fault in steeple: "
        "please report what the same command prints with --debug"
    )


if __name__ == "__main__":
    main()
