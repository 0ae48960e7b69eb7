"""From what a user says to a trained run: resolve, plan, make the folder, train."""

from __future__ import annotations

import html
import json
import math
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ganwright._version import __version__
from ganwright.base.errors import ModelError, OptionError, RunError, message
from ganwright.base.options import Grouped, flatten, from_toml, in_full, override, to_toml
from ganwright.base.paths import readable
from ganwright.base.runs import RunFolder, this_process, write_text
from ganwright.base.threads import on_threads
from ganwright.data import DataOptions, Dataset, open_data
from ganwright.model import Model
from ganwright.train import state
from ganwright.train.choose import Outlook, choose, expected, for_task, outlook
from ganwright.train.keeper import OnDisk, recipe_heading
from ganwright.train.loop import Observer, Scorer, Silent, is_done
from ganwright.train.loop import train as loop
from ganwright.train.plan import Plan, Trials, make_plan, pick_device, with_decay, with_scores
from ganwright.train.ram import room_for
from ganwright.train.recipes import RECIPES, Recipe, StartOptions, TrainOptions
from ganwright.train.trainer import Trainer
from ganwright.train.transfer import Fit, Source, fit, take

DEFAULT_MINUTES = 10.0
# Makes the scorer of a run from its data and the name of features; None where it can't score.
Scoring = Callable[[Dataset, str], Scorer | None]
BUDGET = ("minutes", "kimg")
TRANSLATE = "translate"  # the task of a translator


@dataclass(frozen=True)
class Run:
    """A run folder, as Python sees it."""

    path: Path

    def __repr__(self) -> str:
        """What was trained, how far, and the last evaluation's main number."""
        told, card = self.log, self.card
        start = next((e for e in told if e["event"] == "start"), {})
        parts = [repr(str(self.path)), f"recipe {start.get('recipe', '?')}"]
        parts += [f"{told[-1]['kimg']:,.1f} kimg"] if told else ["not begun"]
        if card is not None:
            name, entry = next(iter(card["measures"].items()))
            parts.append(f"{name} {entry['value']:.3g}")
        return f"Run({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """The run and some of its samples, for a notebook."""
        head = f"<p><code>{html.escape(repr(self))}</code></p>"
        try:
            return head + self.model._repr_html_()
        except ModelError:  # stopped before there was one
            return head

    @cached_property
    def model(self) -> Model:
        """The trained model."""
        return Model.load(self.path)

    @property
    def card(self) -> dict[str, Any] | None:
        """The last evaluation's card.json; None before the first."""
        path = RunFolder(self.path).card
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    @property
    def log(self) -> list[dict[str, Any]]:
        """The run's log, one dict per line."""
        return RunFolder(self.path).events()


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run about to start: its data, its plan, and why this recipe."""

    data: Dataset
    plan: Plan
    reasons: tuple[str, ...]
    outlook: Callable[[], list[Outlook]]  # what the budget buys by size, measured when called
    source: Source | None = None  # the model it starts from
    taken: Fit | None = None


def prepare(
    data: Any,
    *,
    recipe: str | os.PathLike[str] | None = None,
    task: str | None = None,
    start_from: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int | None = None,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    resize: bool = True,
) -> Prepared:
    """Opens the data, resolves the recipe and measures it; writes nothing but the data's cache.

    With `resize`, a chosen recipe may take the data in a smaller size, if the settings leave it open.
    Raises OptionError, UnknownName, DataError or ModelError.
    """
    settings = dict(settings or {}) | starting(start_from)
    given = _flags(minutes=minutes, kimg=kimg, seed=seed)
    place = pick_device(device)
    if recipe is not None and task is not None:
        option = "--pairs (and --from with --to)" if task == TRANSLATE else "--task"
        raise OptionError(f"{option}: chooses the recipe itself; it doesn't go with --recipe")
    base = None if recipe is None else named(recipe)
    source = None
    if start_from is not None:
        source = Source.find(override(StartOptions(), _within("start", starting(start_from))))
        base = source.recipe() if base is None else replace(base, start=StartOptions())
    about_data = {k: v for k, v in settings.items() if k.startswith("data.")}
    start = DataOptions() if base is None else base.data
    if about_data:
        start = override(start, _within("data", about_data), owner="--set data")
    opened = open_data(data, options=start)
    asked = {**settings, **given}
    reasons: tuple[str, ...] = ()
    if task is not None:
        base, reasons = for_task(task, opened, about_data)
        opened = open_data(data, options=base.data)
    first, trials = opened, Trials(opened, place, start if resize else None)
    if base is None:
        # Checked before use: --set may hold any word.
        clock = {k: v for k, v in asked.items() if k in ("train.minutes", "train.kimg")}
        checked = override(TrainOptions(), _within("train", clock), owner="--set train")
        ahead = checked.minutes or (DEFAULT_MINUTES if checked.kimg is None else None)
        base, reasons = choose(opened, minutes=ahead, trials=trials)
        if base.data != DataOptions():
            opened = open_data(data, options=base.data)
            trials = Trials(opened, place)
    _refuse_others(base, asked, opened)
    resolved = override(base, {k: v for k, v in asked.items() if k not in about_data})
    resolved = _with_budget(replace(resolved, data=opened.options), asked)
    if resolved.game.privacy.on and resolved.train.score_features is None:
        # Scores look at held-out rows, which the noise doesn't protect.
        resolved = override(resolved, {"train.score_features": "off"})
    _check_score_features(resolved.train.score_features, opened)
    if source is None and resolved.start.model is not None:
        source = Source.find(resolved.start)
    taken = None
    if source is not None:
        resolved = override(resolved, {"start.fingerprint": source.fingerprint})
        taken = fit(source, resolved, opened)
        reasons = (*reasons, taken.told(source))
    plan = make_plan(resolved, trials)
    if recipe is None and source is None:
        reasons = (*reasons, expected(plan, opened))
    alone = plan.recipe if recipe is not None or task is not None else None
    return Prepared(
        data=opened,
        plan=plan,
        reasons=reasons,
        # Trials of its own: those made so far hold memory that the run needs.
        outlook=lambda: [] if source else outlook(alone, plan.recipe.train, Trials(first, place)),
        source=source,
        taken=taken,
    )


def _refuse_others(recipe: Recipe, settings: Mapping[str, Any], data: Dataset) -> None:
    """Raises OptionError for a setting of a modality that the data is not of."""
    for name in settings:
        node: Any = recipe
        for part in in_full(recipe, name).split("."):
            if isinstance(node, Grouped) and part in node.groups and part != data.codec.kind:
                raise OptionError(f"{name}: for data of kind {part}; this holds {data.spec.things}")
            node = getattr(node, part, None)


def _check_score_features(name: str | None, data: Dataset) -> None:
    """Raises OptionError for features that examples of this modality can't be scored by in training."""
    allowed = dict.fromkeys((*data.codec.scored_by, "off"))
    if name is not None and name not in allowed:
        problem = f"train.score_features can't be {name!r}"
        raise OptionError(message("", problem, allowed=allowed, got=name))


def starting(path: str | os.PathLike[str] | None) -> dict[str, Any]:
    """The settings of a run that starts from the model at a path; none for one that doesn't."""
    return {} if path is None else {"start.model": os.fspath(path)}


def translating(*, to: str | os.PathLike[str], paired: bool) -> dict[str, Any]:
    """The settings of a run that learns to translate its data to those at a path."""
    return {"data.image.to": str(Path(to).resolve()), "data.image.paired": paired}


def tasked(task: str | None) -> dict[str, Any]:
    """The setting of a run with that task; none without."""
    return {} if task is None else {"generator.task": task}


def _within(group: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one group of options, by their names within it."""
    return {name.removeprefix(f"{group}."): value for name, value in settings.items()}


def _flags(**given: float | None) -> dict[str, Any]:
    """The given flags as options; checked here, so that the error names the flag."""
    asked = {name: value for name, value in given.items() if value is not None}
    for name, value in asked.items():
        override(TrainOptions(), {name: value}, owner=f"--{name}")
    return {f"train.{name}": value for name, value in asked.items()}


def named(recipe: str | os.PathLike[str]) -> Recipe:
    """The recipe of that name, or in that TOML file (a run's recipe.toml, for instance)."""
    path = Path(recipe)
    if path.suffix == ".toml":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"--recipe: '{path}' can't be read: {error}") from None
        return from_toml(Recipe, text, owner=str(path))
    row = RECIPES[str(recipe)]
    if row.instead:
        raise OptionError(f"--recipe: '{recipe}' is chosen by {row.instead}; give that alone")
    return row.make()


def _with_budget(recipe: Recipe, asked: Mapping[str, Any]) -> Recipe:
    """A given budget replaces the recipe's; without either there is a default."""
    o = recipe.train
    kimg, minutes = asked.get("train.kimg"), asked.get("train.minutes")
    if kimg is not None or minutes is not None:
        return override(recipe, {"train.kimg": kimg, "train.minutes": minutes})
    if o.minutes is None and o.kimg is None:
        return replace(recipe, train=replace(o, minutes=DEFAULT_MINUTES))
    return recipe


def default_out(data: str | os.PathLike[str], to: str | os.PathLike[str] | None = None) -> Path:
    """Where a run on `data` goes by default: ``runs/<name>``, ``runs/<name>-to-<name>`` for translation."""
    names = [readable([Path(one).name])[0] for one in (data, to) if one is not None]
    return Path("runs") / "-to-".join(name.split(".")[0] or "data" for name in names)


def begin(
    prepared: Prepared,
    folder: RunFolder,
    *,
    observer: Observer | None = None,
    scoring: Scoring | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Run:
    """Makes the run folder and trains, until `stopped` says so at the latest.

    Raises RunError when the folder exists.
    """
    plan = prepared.plan
    trainer = Trainer(plan.recipe, prepared.data, plan.device)
    folder.must_be_free()
    scorer = _scorer(trainer, scoring)
    with on_threads(plan.recipe.train.threads), room_for(plan.recipe):
        cost = 0.0 if scorer is None or plan.recipe.train.score_kimg else _cost(scorer, trainer)
    plan = replace(
        plan, recipe=with_scores(plan.recipe, plan.expected_kimg, plan.images_per_s, cost)
    )
    trainer.recipe = plan.recipe
    folder.create()
    with folder.locked():
        write_text(folder.recipe, to_toml(plan.recipe, heading=recipe_heading(trainer)))
        folder.append(seen=0, kimg=0.0, seconds=0.0, event="start", **_circumstances(trainer, plan))
        if prepared.source is not None and prepared.taken is not None:
            source, found = prepared.source, prepared.taken
            take(source, found, trainer)
            folder.append(
                seen=0, kimg=0.0, seconds=0.0, event="transfer", model=source.path,
                fingerprint=source.fingerprint, taken=len(found.whole), part=found.part, new=found.new,
            )  # fmt: skip
        return _train(trainer, folder, observer, scorer, round(plan.expected_kimg, 3), stopped)


def _scorer(trainer: Trainer, scoring: Scoring | None) -> Scorer | None:
    """The scorer of a run, if it is to have one."""
    features = trainer.recipe.train.score_features
    if scoring is None or features == "off":
        return None
    return scoring(trainer.data, features or trainer.data.codec.scored_by[0])


def _cost(scorer: Scorer, trainer: Trainer) -> float:
    """Seconds that a score takes."""
    began = time.perf_counter()
    scorer(trainer.model())
    return time.perf_counter() - began


def _circumstances(trainer: Trainer, plan: Plan) -> dict[str, Any]:
    return {
        "recipe": plan.recipe.name,
        "data": trainer.data.name,
        "source": trainer.data.source,
        "fingerprint": trainer.data.fingerprint,
        "n": len(trainer.data.train),
        "planned_kimg": round(plan.expected_kimg, 3),
        "device": plan.device,
        "threads": plan.recipe.train.threads,
        "generator_parameters": plan.generator_parameters,
        "discriminator_parameters": plan.discriminator_parameters,
        "ganwright": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "process": this_process(),
    }


def go_on(
    data: Any,
    folder: RunFolder,
    *,
    recipe: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int | None = None,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    observer: Observer | None = None,
    scoring: Scoring | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Run:
    """Continues a stopped run from its last checkpoint; only the budget may change.

    Schedules that last as long as the run follow the new budget from then on, so that added time is
    not spent at the final rate. Raises RunError when there is nothing to continue, when the data is not
    what the run was trained on, or when another recipe, seed or option is given.
    """
    resumed, opened = _found(
        data, folder, recipe=recipe, minutes=minutes, kimg=kimg, seed=seed, settings=settings
    )
    resumed, planned = _lasting(resumed, folder)
    trainer = Trainer(resumed, opened, pick_device(device))
    with folder.locked():
        damaged: list[str] = []
        if state.begun(folder.checkpoint):
            found, damaged = state.load(folder.checkpoint)
            trainer.restore(found)
            folder.rewind(trainer.seen)
        elif resumed.start.model is not None:  # killed before its first checkpoint
            source = Source.find(resumed.start)
            take(source, fit(source, resumed, opened), trainer)
        folder.clear_aside()
        event = {
            "seen": trainer.seen, "kimg": trainer.seen / 1000, "seconds": round(trainer.seconds, 3),
            "event": "resume", "damaged": damaged, "planned_kimg": planned, "process": this_process(),
        }  # fmt: skip
        folder.append(**event)
        if observer is not None:
            observer.report(event, trainer)
        write_text(folder.recipe, to_toml(resumed, heading=recipe_heading(trainer)))
        return _train(trainer, folder, observer, _scorer(trainer, scoring), planned, stopped)


def _lasting(recipe: Recipe, folder: RunFolder) -> tuple[Recipe, float | None]:
    """The recipe with schedules as long as its budget, where that has changed; and how long that is.

    None where the log doesn't tell: older versions let them end as they had begun.
    """
    told = folder.events()
    planned = next((e["planned_kimg"] for e in reversed(told) if e.get("planned_kimg")), None)
    last, before, now = told[-1], named(folder.recipe).train, recipe.train
    if (
        planned is None
        or not last["seconds"]
        or (before.kimg, before.minutes) == (now.kimg, now.minutes)
    ):
        return recipe, planned
    reach = last["kimg"] / last["seconds"] * 60 * now.minutes if now.minutes else math.inf
    kimg = round(min(reach, now.kimg or math.inf), 3)
    return with_decay(recipe, kimg, instead_of=planned), kimg


def _found(
    data: Any,
    folder: RunFolder,
    *,
    recipe: str | os.PathLike[str] | None,
    minutes: float | None,
    kimg: float | None,
    seed: int | None,
    settings: Mapping[str, Any] | None,
) -> tuple[Recipe, Dataset]:
    """The recipe of the run in the folder, with the budget given now, and its data."""
    folder.must_exist()
    old = named(folder.recipe)
    asked = {**(settings or {}), **_flags(minutes=minutes, kimg=kimg, seed=seed)}
    budget = {name: asked.pop(f"train.{name}", None) for name in BUDGET}
    if override(old, asked) != old or not (recipe is None or _same_recipe(recipe, old)):
        raise RunError(
            f"--resume: '{folder.path}' was started with other options; only --minutes and --kimg "
            "may change. Start a new run with --out"
        )
    resumed = _with_budget(old, {f"train.{name}": value for name, value in budget.items()})
    opened = open_data(data, options=old.data)
    first = next((e for e in folder.events() if e["event"] == "start"), {})
    if first.get("fingerprint") != opened.fingerprint:
        raise RunError(
            f"--resume: '{folder.path}' was trained on data with fingerprint "
            f"{first.get('fingerprint')}; '{opened.name}' has {opened.fingerprint}"
        )
    return resumed, opened


def is_complete(
    data: Any,
    folder: RunFolder,
    *,
    recipe: str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> bool:
    """Whether the run in the folder is the one asked for and has used its budget.

    Raises RunError as `go_on` does when it is another run.
    """
    wanted, _ = _found(
        data, folder, recipe=recipe, minutes=minutes, kimg=kimg, seed=seed, settings=settings
    )
    told = [event for event in folder.events() if event["event"] != "checkpoint"]
    if not told or told[-1]["event"] != "done":
        return False
    final = told[-2:]  # the last word comes before "done"
    early_stopped = any(event["event"] == "patience" for event in final)
    return early_stopped or is_done(wanted, int(told[-1]["seen"]), float(told[-1]["seconds"]))


def _same_recipe(recipe: str | os.PathLike[str], old: Recipe) -> bool:
    """Whether `recipe` can be the one the run was started with: by name, or a file in full."""
    asked = named(recipe)
    if Path(recipe).suffix != ".toml":
        return asked.name == old.name
    before, budget = flatten(old), {f"train.{name}" for name in BUDGET}
    said = {k: v for k, v in flatten(asked).items() if v is not None and k not in budget}
    return all(before.get(key, value) == value for key, value in said.items())


def _train(
    trainer: Trainer,
    folder: RunFolder,
    observer: Observer | None,
    scorer: Scorer | None,
    planned: float | None,
    stopped: Callable[[], bool] | None,
) -> Run:
    recipe = trainer.recipe
    with _stop_signals() as signalled, on_threads(recipe.train.threads), room_for(recipe):

        def stop() -> bool:
            return signalled() or (stopped is not None and stopped())

        loop(trainer, OnDisk(folder), observer or Silent(), stop, scorer, planned)
    return Run(folder.path)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C (or SIGTERM) into a flag that the loop polls; a second one kills."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread can handle signals
        return
    came = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        came.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
