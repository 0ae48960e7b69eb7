"""The command: verbs, exit codes, one line per mistake."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Annotated, Any

import typer

from ganwright._version import __version__
from ganwright.base.errors import GanwrightError, message
from ganwright.cli import (
    augment,
    compare,
    crash,
    detect,
    doctor,
    evaluate,
    fill,
    inspect,
    recipes,
    report,
    sample,
    train,
)

EPILOG = """Examples:

\b
  ganwright train digits --minutes 2
  ganwright sample runs/digits -n 1000 --out digits.npz
  ganwright evaluate runs/digits
  ganwright report runs/digits
  ganwright fill survey.csv
  ganwright train photos/ --recipe dcgan --set data.size=64
  ganwright inspect photos.zip

Add --debug to any command to see where an error comes from."""

# torch has no error of its own for memory on the CPU.
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")

app = typer.Typer(
    name="ganwright",
    help="Trains generative adversarial networks on your data and samples from them.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS = (train, sample, evaluate, compare, report, doctor, fill, augment, detect, inspect, recipes)
for verb in VERBS:
    kind = getattr(verb, "COMMAND", None)
    app.command(verb.NAME, cls=kind, epilog=verb.EPILOG)(verb.command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ganwright {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Trains generative adversarial networks on your data and samples from them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the `ganwright` command."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # Paths that are not UTF-8 go out as they are; a terminal without UTF-8 shows "?" for an arrow.
        known = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if known else "replace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Progress(sys.stderr.fileno(), "w", closefd=False)),
            encoding=sys.stderr.encoding, errors="replace", line_buffering=True,
        )  # fmt: skip
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


class _Progress(io.FileIO):
    """stderr that may be closed at the other end, as by `2>&1 | head`: the work goes on."""

    def write(self, text: Any) -> int:
        with suppress(BrokenPipeError):
            super().write(text)
        return len(text)


def run(arguments: list[str]) -> int:
    """Runs one command; returns its exit code. Prints mistakes as one line, never a traceback."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    try:
        return app(args=arguments, prog_name="ganwright", standalone_mode=False) or 0
    except (GanwrightError, typer.TyperException, OSError, MemoryError) as error:
        if debug:
            raise
        text, code = explain(error, arguments)
        print(f"ganwright: error: {text}", file=sys.stderr)
        return code
    except (KeyboardInterrupt, typer.Abort):
        print("ganwright: error: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        if isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY):
            text, _ = explain(MemoryError())
        else:
            text = _fault(error, arguments)
        print(f"ganwright: error: {text}", file=sys.stderr)
        return 1


def _fault(error: Exception, arguments: Sequence[str]) -> str:
    """One line for an error that nobody foresaw, and where its report is."""
    path = crash.report(error, arguments)
    where = "run it again with --debug" if path is None else f"the report is '{path}'"
    return (
        f"a fault in Ganwright, not yours: {type(error).__name__}: {_one_line(str(error))}; {where}; "
        "files already written are intact"
    )


def explain(error: Exception, arguments: Sequence[str] = ()) -> tuple[str, int]:
    """One line for people, and the exit code."""
    if isinstance(error, GanwrightError):
        return _one_line(str(error)), error.exit_code
    if isinstance(error, typer.TyperException):
        return _usage(error, arguments), error.exit_code
    if isinstance(error, MemoryError):
        return "out of memory; a smaller train.batch or data.size needs less", 1
    where = f" ('{error.filename}')" if isinstance(error, OSError) and error.filename else ""
    what = getattr(error, "strerror", None) or str(error)
    return f"failed while working: {_one_line(what)}{where}; files already written are intact", 1


def _usage(error: typer.TyperException, arguments: Sequence[str]) -> str:
    text = _one_line(error.format_message())
    if text.startswith("No such command"):
        got = text.split("'")[1]
        verbs = [str(command.name) for command in app.registered_commands]
        return message("", f"unknown command '{got}'", allowed=verbs, got=got)
    if text.startswith("Invalid value for"):  # typer leaves out which
        names = getattr(getattr(error, "param", None), "opts", [])
        given = [value for name, value in pairwise(arguments) if name in names]
        given += [
            a.partition("=")[2] for a in arguments if a.partition("=")[0] in names and "=" in a
        ]
        text += f"; got '{given[-1]}'" if given else ""
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())
