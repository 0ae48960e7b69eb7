"""Compares recipes on the same data: equal training time, the same features, equal n."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganwright.base.errors import Diverged, Interrupted, OptionError, WorkError
from ganwright.base.options import written
from ganwright.base.runs import RunFolder, write_text
from ganwright.evaluate.card import Card, keep
from ganwright.evaluate.compare import judge_alike, table, table_of_seeds
from ganwright.evaluate.features import check_features
from ganwright.evaluate.judge import check_count
from ganwright.evaluate.scorer import scoring
from ganwright.report.versus import Candidate, render_comparison
from ganwright.train.loop import Observer
from ganwright.train.run import (
    Prepared,
    Run,
    begin,
    default_out,
    go_on,
    is_complete,
    named,
    prepare,
)

PAGE = "compare.html"
FEWEST, MOST_SEEDS = 2, 20  # recipes; seeds of each
CHOSEN = "auto"  # the recipe that Ganwright would choose
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The outcome of each recipe. Prints as the table of scores."""

    path: Path
    runs: dict[str, Run]  # those that were judged, by recipe; of several seeds ``recipe-seed``
    cards: dict[str, Card]
    left_out: dict[str, str] = field(default_factory=dict)  # recipe → why it is not judged
    seeds: dict[str, tuple[str, ...]] = field(default_factory=dict)  # recipe → its runs
    page: Path | None = None

    def groups(self) -> dict[str, list[Card]]:
        """The cards of each recipe's seeds; empty where there is one seed."""
        found = {
            recipe: [self.cards[name] for name in names if name in self.cards]
            for recipe, names in self.seeds.items()
        }
        many = any(len(names) > 1 for names in self.seeds.values())
        return {recipe: cards for recipe, cards in found.items() if cards} if many else {}

    def __str__(self) -> str:
        lines = []
        if groups := self.groups():
            lines.append(table_of_seeds(groups))
        elif self.cards:
            lines.append(table(list(self.cards.values())))
        lines += [f"not compared: {name}: {why}" for name, why in self.left_out.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Entry:
    """What one run of a comparison is: a recipe's name or file, and a seed."""

    recipe: str
    seed: int | None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Settings that hold for every recipe."""

    data: str | os.PathLike[str]
    minutes: float | None = None
    kimg: float | None = None
    seed: int | None = None
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    n: int | None = None  # samples of each that are judged
    features: str | None = None

    def asked(self, entry: Entry) -> dict[str, Any]:
        """The arguments that say what a run is, its device left out."""
        return {
            "recipe": None if entry.recipe == CHOSEN else entry.recipe,
            "minutes": self.minutes, "kimg": self.kimg, "seed": entry.seed,
            "settings": self.settings,
        }  # fmt: skip

    def command(self, recipes: Sequence[str], seeds: int, out: Path) -> str:
        """The command line that makes the comparison again."""
        words = ["ganwright", "compare", str(self.data), "--recipes", ",".join(recipes)]
        given = {name: getattr(self, name) for name in ("minutes", "kimg", "seed", "features")}
        given |= {"number": self.n, "seeds": seeds if seeds > 1 else None}
        for name, value in given.items():
            words += [] if value is None else [f"--{name}", str(value)]
        for name, value in self.settings.items():
            words += ["--set", written(name, value)]
        return shlex.join([*words, "--out", str(out)])


def compare_recipes(
    data: str | os.PathLike[str],
    recipes: Sequence[str],
    *,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int | None = None,
    seeds: int = 1,
    out: str | os.PathLike[str] | None = None,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    n: int | None = None,
    features: str | None = None,
    resume: bool = False,
    observer: Observer | None = None,
    progress: Say = lambda text: None,
) -> Comparison:
    """Trains each recipe on `data` for the same time, judges all at equal n, and writes a page.

    `recipes` are at least two names or TOML files ("auto" is the one that Ganwright would choose); each
    has `minutes` of training, or `kimg` (thousand real examples shown), 10 minutes if neither is given.
    With `seeds`, each is trained that many times, from `seed` on, and scores are means over seeds ±
    half their range. `settings` hold for all. Runs go to ``out/<recipe>`` (`out`:
    ``runs/<data>-compare``), the page to ``out/compare.html``; with `resume`, complete runs there are
    kept and the rest continued. `n` samples of each are judged, `features` names the extractor.

    A recipe that diverges is named in `left_out`, and the others still compared. Ctrl-C compares what
    is finished, then raises Interrupted. Raises OptionError, UnknownName, DataError or RunError before
    anything is trained; Diverged when nothing is left to compare.

    >>> import ganwright as gw
    >>> print(gw.compare_recipes("digits", ["relativistic", "dcgan"], minutes=2))  # doctest: +SKIP
    """
    rules = Rules(
        data=data, minutes=minutes, kimg=kimg, seed=seed, device=device, settings=settings or {},
        n=n, features=features,
    )  # fmt: skip
    place = _default_out(data) if out is None else Path(out)
    labels = _labels(recipes)
    entries, groups = _with_seeds(labels, seed, seeds)
    if not resume:
        RunFolder(place).must_be_free()
    folders = {name: RunFolder(place / name) for name in entries}
    ready = _prepare_all(rules, entries, folders)
    runs, left_out, interrupted = _train_all(rules, entries, folders, ready, observer, progress)
    if interrupted and runs:
        progress("comparing the finished runs; press Ctrl-C again to quit")
    found = _judged(runs, left_out, place, rules, progress)
    found = replace(found, seeds=groups)
    if found.cards:
        found = replace(
            found, page=_page(found, rules.command(list(labels.values()), seeds, place))
        )
    if interrupted:
        raise Interrupted(
            f"interrupted in {interrupted}; {len(runs)} of {len(entries)} runs are finished, "
            "continue with the same command and --resume"
        )
    if not runs:
        raise Diverged(f"no recipe is left to compare; {found}")
    return found


def _with_seeds(
    labels: Mapping[str, str], seed: int | None, seeds: int
) -> tuple[dict[str, Entry], dict[str, tuple[str, ...]]]:
    """Runs by name, and the names of each recipe's; seed by seed, so that all recipes advance alike."""
    if not 1 <= seeds <= MOST_SEEDS:
        raise OptionError(f"--seeds: takes 1 to {MOST_SEEDS}; got {seeds}")
    if seeds == 1:
        return {n: Entry(r, seed) for n, r in labels.items()}, {n: (n,) for n in labels}
    numbers = range(seed or 0, (seed or 0) + seeds)
    entries = {f"{n}-{i}": Entry(r, i) for i in numbers for n, r in labels.items()}
    return entries, {n: tuple(f"{n}-{i}" for i in numbers) for n in labels}


def _default_out(data: str | os.PathLike[str]) -> Path:
    run = default_out(data)
    return run.with_name(f"{run.name}-compare")


def _labels(recipes: Sequence[str]) -> dict[str, str]:
    """Recipes by the name of their folder and column. Raises for unknown names and repetitions."""
    if len(recipes) < FEWEST:
        raise OptionError(f"--recipes: needs at least two, separated by commas; got {len(recipes)}")
    found: dict[str, str] = {}
    for recipe in recipes:
        path = Path(recipe)
        label = str(recipe)
        if path.suffix == ".toml":  # a run's own recipe.toml goes by the name of the run
            label = path.resolve().parent.name if path.stem == "recipe" else path.stem
        if recipe != CHOSEN:
            named(recipe)
        if label in found:
            raise OptionError(f"--recipes: '{label}' is given twice")
        found[label] = str(recipe)
    return found


# --- training ------------------------------------------------------------------------------------


def _prepare_all(
    rules: Rules, entries: Mapping[str, Entry], folders: Mapping[str, RunFolder]
) -> dict[str, Prepared]:
    """The runs still to begin, prepared first, so that errors surface before any training.

    All see the data in its own size, and scores in training use the same features: otherwise they would
    not be comparable.
    """
    check_count(rules.n)
    ready: dict[str, Prepared] = {}
    features: str | None = None
    first: Prepared | None = None
    for name, entry in entries.items():
        _clear_unbegun(folders[name])
        if folders[name].recipe.is_file():
            features = features or named(folders[name].recipe).train.score_features
            is_complete(rules.data, folders[name], **rules.asked(entry))  # or raises
            continue
        folders[name].must_be_free()
        settings = dict(rules.settings)
        own = None if entry.recipe == CHOSEN else named(entry.recipe)
        free = own is None or (own.train.score_features is None and not own.game.privacy.on)
        if free and features is not None and own is not None:
            settings.setdefault("train.score_features", features)
        asked = rules.asked(entry) | {"settings": settings}
        try:
            one = prepare(rules.data, **asked, device=rules.device, resize=False)
        except OptionError as error:  # options without a flag come from the recipe
            raise (
                error if str(error).startswith("--") else OptionError(f"{name}: {error}")
            ) from None
        if free:
            features = one.plan.recipe.train.score_features
        if rules.features is not None:
            check_features(rules.features, one.data)
        first = first or one
        if one.data.fingerprint != first.data.fingerprint:
            raise OptionError(
                f"--recipes: {next(iter(ready))} and {name} read the data differently, so their "
                "scores are not comparable; --set data.… sets how all read it"
            )
        if one.data.options == first.data.options:
            one = replace(one, data=first.data)  # so that memory holds it once, not per recipe
        ready[name] = one
    return ready


def _clear_unbegun(folder: RunFolder) -> None:
    """Removes a run that was stopped before its first checkpoint, as it can't be continued."""
    if folder.recipe.is_file() and not folder.checkpoint.exists():
        for file in (folder.recipe, folder.log):
            file.unlink(missing_ok=True)
        with suppress(OSError):  # something of the user's own
            folder.samples.rmdir()
            folder.path.rmdir()


def _train_all(
    rules: Rules,
    entries: Mapping[str, Entry],
    folders: Mapping[str, RunFolder],
    ready: dict[str, Prepared],
    observer: Observer | None,
    progress: Say,
) -> tuple[dict[str, Run], dict[str, str], str | None]:
    """The complete runs, why others are not, and the one in which Ctrl-C was pressed."""
    runs: dict[str, Run] = {}
    left_out: dict[str, str] = {}
    for number, (name, entry) in enumerate(entries.items(), start=1):
        folder, asked = folders[name], rules.asked(entry)
        told = f"[{number}/{len(entries)}] {name}"
        try:
            if (one := ready.pop(name, None)) is not None:
                progress(f"{told}: training, about {one.plan.expected_kimg:,.1f} kimg")
                runs[name] = begin(one, folder, observer=observer, scoring=scoring)
            elif is_complete(rules.data, folder, **asked):
                progress(f"{told}: complete already")
                runs[name] = Run(folder.path)
            else:
                progress(f"{told}: continuing")
                runs[name] = go_on(
                    rules.data, folder, **asked, device=rules.device, observer=observer,
                    scoring=scoring,
                )  # fmt: skip
        except (Interrupted, KeyboardInterrupt):
            left_out[name] = "interrupted"
            for other in list(entries)[number:]:
                if other in ready:
                    left_out[other] = "not begun"
                elif is_complete(rules.data, folders[other], **rules.asked(entries[other])):
                    runs[other] = Run(folders[other].path)
                else:
                    left_out[other] = "not continued"
            return runs, left_out, name
        except (Diverged, WorkError) as error:
            left_out[name] = str(error)
            progress(f"{name}: {error}; continuing without it")
    return runs, left_out, None


# --- judging -------------------------------------------------------------------------------------


def _judged(
    runs: dict[str, Run],
    left_out: dict[str, str],
    place: Path,
    rules: Rules,
    progress: Say,
) -> Comparison:
    cards: dict[str, Card] = {}
    if runs:
        found = judge_alike(
            [run.path for run in runs.values()],
            n=rules.n, features=rules.features, seed=rules.seed or 0, progress=progress,
        )  # fmt: skip
        for (name, run), card in zip(runs.items(), found, strict=True):
            keep(card, RunFolder(run.path))
            cards[name] = replace(card, samples=name)  # columns are recipes, not paths
    return Comparison(path=place, runs=runs, cards=cards, left_out=left_out)


def _page(found: Comparison, command: str) -> Path:
    recipes = {name: recipe for recipe, names in found.seeds.items() for name in names}
    order = [name for names in found.seeds.values() for name in names if name in found.runs]
    candidates = [
        Candidate(
            name=name, path=found.runs[name].path, card=found.cards[name], recipe=recipes[name]
        )
        for name in order
    ]
    page = found.path / PAGE
    write_text(page, render_comparison(candidates, found.left_out, command))
    return page
