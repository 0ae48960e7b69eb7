"""What a person sees while a run trains: a live bar and the samples, or plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

if TYPE_CHECKING:
    from ganwright.train.loop import Observer
    from ganwright.train.recipes import TrainOptions
    from ganwright.train.trainer import Trainer

LINES = 12  # of the preview; each shows two rows of pixels
PLAIN_S = 5.0  # between lines where there is no terminal


@contextmanager
def watch() -> Iterator[Observer]:
    """The observer for this terminal, or for a file or pipe where there is none."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=2) as live:
            yield Bar(live)
    else:
        yield Lines()


@contextmanager
def shown(progress: bool | None) -> Iterator[Observer | None]:
    """The observer for a call from Python: None, which shows nothing, where `progress` is False.

    None as `progress` shows it where a person looks: in a terminal or a notebook.
    """
    notebook = "ipykernel" in sys.modules
    if progress is None:
        progress = notebook or (sys.stderr is not None and sys.stderr.isatty())
    if not progress:
        yield None
    elif notebook:  # where stderr is shown as an error
        yield Lines(sys.stdout)
    else:
        with watch() as observer:
            yield observer


def share_done(o: TrainOptions, seen: int, seconds: float) -> float:
    """How much of the budget is used, from 0 to 1."""
    by_kimg = seen / (o.kimg * 1000) if o.kimg else 0.0
    by_clock = seconds / (o.minutes * 60) if o.minutes else 0.0
    return min(max(by_kimg, by_clock), 1.0)


def facts(event: dict[str, Any], trainer: Trainer) -> str:
    """One line about a report."""
    budget = trainer.recipe.train
    share = share_done(budget, event["seen"], event["seconds"])
    left = event["seconds"] * (1 / share - 1) if share > 0 else 0.0
    known = {
        "D": ("discriminator_loss", "6.3f"),  # a player that sat out since the last report has none
        "G": ("generator_loss", "6.3f"),
        trainer.average.network.likelihood_name: ("nll", "6.3f"),
        "ε": ("epsilon", ".3g"),
    }
    played = [f"{word} {event[key]:{form}}" for word, (key, form) in known.items() if key in event]
    return (
        f"{event['kimg']:9.1f} kimg  {share:4.0%}  {left:5.0f} s left  "
        f"{event.get('images_per_s', 0):7,.0f} examples/s  {'  '.join(played)}"
    )


class Lines:
    """Plain lines, one every few seconds."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.last = -PLAIN_S
        self.file = sys.stderr if file is None else file

    def step(self, trainer: Trainer, seconds: float) -> None:
        """Nothing: a line per round would be too much."""

    def report(self, event: dict[str, Any], trainer: Trainer) -> None:
        now = time.monotonic()
        if event["event"] == "report" and now - self.last >= PLAIN_S:
            self.last = now
            print(facts(event, trainer), file=self.file, flush=True)
        elif (text := notice(event)) is not None:
            print(text, file=self.file, flush=True)

    def snapshot(self, path: Path, trainer: Trainer) -> None:
        """Nothing: the grid is in the run folder."""


class Bar:
    """A live bar with the newest samples above it."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.bar = ProgressBar(total=1.0, completed=0.0, width=None)
        self.line, self.preview, self.caption = Text(""), Text(""), Text("")

    def step(self, trainer: Trainer, seconds: float) -> None:
        self.bar.update(share_done(trainer.recipe.train, trainer.seen, seconds))

    def report(self, event: dict[str, Any], trainer: Trainer) -> None:
        if event["event"] == "report":
            self.line = Text(facts(event, trainer))
            self._show()
        elif (text := notice(event)) is not None:
            self.live.console.print(text)

    def snapshot(self, path: Path, trainer: Trainer) -> None:
        self.caption = Text(f"samples at {trainer.seen / 1000:,.1f} kimg  ({path})", style="dim")
        show = PREVIEWS.get(path.suffix)
        self.preview = Text("") if show is None else show(path, self.live.console.width)
        self._show()

    def _show(self) -> None:
        self.live.update(Group(self.preview, self.caption, self.line, self.bar))


# What the guard goes back for, in words that go on with "at … kimg".
PROBLEMS = {
    "diverged": "diverged",
    "won": "the discriminator had won",
    "collapsed": "the samples had collapsed",
}


def notice(event: dict[str, Any]) -> str | None:
    """The line for an event other than a report, None for those that need none."""
    if event["event"] == "score" and "fid" in event:
        kept = "  best so far, kept" if event["is_best"] else ""
        return (
            f"{event['kimg']:9.1f} kimg  FID {event['fid']:.3g} ± {event['fid_error']:.2g}, "
            f"floor {event['floor']:.2g}, coverage {event['coverage']:.2f}, "
            f"unique {event['unique']:.0%}{kept}"
        )
    if event["event"] == "resume" and event["damaged"]:
        return (
            f"warning: damaged, so passed over: {', '.join(event['damaged'])}; going on from "
            f"{event['kimg']:g} kimg"
        )
    if event["event"] == "done" and "epsilon" in event:
        return (
            f"private: ε = {event['epsilon']:.3g} at δ = {event['delta']:.2g} for every training row; "
            "not covered: column ranges, bins, category sets and the shares of single columns"
        )
    if event["event"] == "uncaptured":
        return f"rounds are played call by call, which is slower for small nets: {event['why']}"
    if event["event"] == "done" and "warning" in event:
        return f"warning: {event['warning']}"
    if event["event"] == "patience":
        return f"stopped early: no improvement in the last {event['scores_without_improvement']} scores"
    if event["event"] == "guard" and event["problem"] == "collapse":
        return (
            f"warning: the samples vary {event['variety']:.0%} as much as the data: the generator may "
            "have collapsed"
        )
    if event["event"] == "guard" and event["problem"] == "snapshot":
        return f"warning: samples can't be written ({event['why']}); training goes on without them"
    if event["event"] == "guard" and "back_to" in event:
        what, at = PROBLEMS[event["problem"]], event[f"{event['problem']}_at"]
        return (
            f"warning: {what} at {at / 1000:g} kimg; rolled back to {event['back_to'] / 1000:g} kimg "
            f"with {event.get('remedy', 'half the learning rates')} (rollback {event['repairs']})"
        )
    if event["event"] == "guard" and event["problem"] in ("won", "collapsed"):
        return (
            f"warning: {PROBLEMS[event['problem']]} at {event['kimg']:g} kimg, and going back "
            f"{event['repairs']} times did not help; training goes on. `ganwright doctor` says what to try"
        )
    return None


def in_blocks(path: Path, columns: int) -> Text:
    """The top of an image as half-block characters, two pixels each."""
    from PIL import Image

    with Image.open(path) as picture:
        colour = picture.convert("RGB")
    width = min(columns - 1, 80)
    scale = width / colour.width
    size = (width, max(2, round(colour.height * scale) // 2 * 2))
    small = colour.resize(size, Image.Resampling.LANCZOS)
    pixels = small.load()
    text = Text()
    for y in range(0, min(small.height, 2 * LINES), 2):
        for x in range(small.width):
            top, bottom = pixels[x, y], pixels[x, y + 1]  # type: ignore[index]
            text.append("▀", style=f"rgb({_csv(top)}) on rgb({_csv(bottom)})")
        text.append("\n")
    return text


def first_lines(path: Path, columns: int) -> Text:
    """The top of a file of rows."""
    with path.open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in islice(file, LINES)]
    return Text("".join(f"{line[: columns - 1]}\n" for line in lines))


# How a snapshot is shown in a terminal, by suffix; of others only the path is named.
PREVIEWS = {".png": in_blocks, ".csv": first_lines, ".tsv": first_lines, ".txt": first_lines}


def _csv(colour: Any) -> str:
    return ",".join(str(value) for value in colour)
