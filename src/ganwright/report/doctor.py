"""What happened in a run, in plain words: diagnoses, the numbers behind each, and what to try.

Everything is read from the run's folder; the data, if it is still there, adds one check: how the
discriminator judges training examples and held-out ones (Karras et al. 2020, arXiv:2006.06676, section 3).
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from ganwright.base.errors import GanwrightError
from ganwright.base.modality import modality
from ganwright.data import Dataset, open_data
from ganwright.evaluate.verdict import MISSING
from ganwright.model import Model
from ganwright.report.facts import Facts, Series, read_run
from ganwright.train.guard import COLLAPSED
from ganwright.train.recipes import Recipe
from ganwright.train.run import named

LATE = 1 / 3  # of a run: what is said about its end is measured there
IMPROVING = 0.9  # scores that fall below this share of what they were are still improving
WORSE = 1.5  # the last score over the best one, from which a run got worse
LOSING = 0.2  # recall or coverage below this share of its best has been lost
APART = 0.5  # of the discriminator's gap between real and made: held-out examples this far off it
LOST = 1e-3  # loss of a discriminator that has nothing left to learn
UNTOLD = 0.1  # logits of real and made examples this close: hardly told apart
FAR = 10.0  # times the floor: a score from which samples are far from real examples
FEW = 500  # training examples below which a discriminator learns them by heart
SAMPLED, PICTURED = 1000, 100  # examples that are judged, and of a net that works on whole pictures


@dataclass(frozen=True)
class Diagnosis:
    """One thing that happened: a sentence, the numbers behind it, and commands worth trying."""

    name: str
    words: str
    evidence: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.words, *(f"    {line}" for line in self.evidence)]
        return "\n".join([*lines, *(f"  try: {line}" for line in self.remedies)])


@dataclass(frozen=True)
class Patient:
    """A run, as the diagnoses see it."""

    facts: Facts
    recipe: Recipe | None  # None where recipe.toml can't be read
    logits: Logits | None  # None where the model or the data can't be opened

    @classmethod
    def of(cls, facts: Facts, against: str | os.PathLike[str] | None = None) -> Patient:
        """Reads what else there is to know about a run."""
        return cls(facts, _recipe(facts), _logits(facts, against))

    @property
    def data(self) -> str:
        """What it was trained on, for a command line."""
        return shlex.quote(self.facts.source or "DATA")

    def late(self, event: str, name: str) -> list[float]:
        """The values of a number in the last third of the run."""
        found = self.facts.series(event, name)
        return [y for x, y in found if x >= (1 - LATE) * found[-1][0]]

    def train(self, *changes: str, resume: bool = False) -> str:
        """The command that trains it again with changes, or goes on with it."""
        out = shlex.quote(str(self.facts.folder.path)) + ("" if resume else "-2")
        name = self.facts.start.get("recipe")
        chosen = [] if resume or name is None else [f"--recipe {name}"]
        last = ["--resume"] if resume else []
        return " ".join(["ganwright train", self.data, *chosen, *changes, f"--out {out}", *last])

    def option(self, name: str) -> float:
        """A number of the recipe by its dotted path; NaN where it has none."""
        node: Any = self.recipe
        for part in name.split("."):
            node = getattr(node, part, None)
        return float(node) if isinstance(node, int | float) else math.nan


@dataclass(frozen=True)
class Logits:
    """What the discriminator says of training examples, held-out ones and samples, on average."""

    train: float
    heldout: float
    made: float
    error: float  # standard error of the difference of the first two
    n: int
    augments: bool = True  # whether such examples can be augmented

    @property
    def apart(self) -> float:
        """0: held-out examples are judged like those it was trained on; 1: like samples."""
        gap = self.train - self.made
        return (self.train - self.heldout) / gap if gap > 0 else math.nan

    @property
    def overfit(self) -> bool:
        """Whether held-out examples are judged much worse, by more than chance."""
        return self.apart >= APART and self.train - self.heldout > 3 * self.error


def examine(
    run: str | os.PathLike[str], against: str | os.PathLike[str] | None = None
) -> list[Diagnosis]:
    """Diagnoses of a run in its folder, the gravest first; never empty.

    `against` says where the data is now, if it has moved. Raises RunError when `run` is no run folder.
    """
    patient = Patient.of(read_run(Path(run)), against)
    found = [said for rule in RULES if (said := rule(patient)) is not None]
    return found or [_healthy(patient)]


def _ended(run: Patient) -> Diagnosis | None:
    """Interrupted, cut off or still at it."""
    state, at = run.facts.state, f"{run.facts.last('kimg'):,.1f} kimg"
    if state == "interrupted":
        return Diagnosis("interrupted", f"It was stopped at {at}.", (), (run.train(resume=True),))
    if state != "cut off":
        return None
    if (owner := run.facts.folder.owner()) is not None:
        return Diagnosis("running", f"It is training: {owner}, at {at}.")
    words = (
        f"It ended at {at} without a word: killed, out of memory, or a power cut. Nothing is lost."
    )
    return Diagnosis("cut off", words, (), (run.train(resume=True),))


def _diverged(run: Patient) -> Diagnosis | None:
    events = [e for e in run.facts.of("guard") if e["problem"] == "diverged"]
    if not events:
        return None
    places = [f"{e['diverged_at'] / 1000:,.1f}" for e in events if "diverged_at" in e]
    lost = run.facts.state == "diverged"
    words = "It diverged" + (f" at {', '.join(places)} kimg" if places else "")
    words += ", and no rollback helped." if lost else ", was rolled back, and went on."
    before = run.facts.of("report")[-1:] if lost else []
    evidence = [
        f"the last report, at {e['kimg']:,.1f} kimg: losses {e['discriminator_loss']:.3g} (D) and "
        f"{e['generator_loss']:.3g} (G)"
        for e in before
        if "discriminator_loss" in e and "generator_loss" in e
    ]
    return Diagnosis("diverged", words, tuple(evidence), tuple(_calmer(run)))


def _calmer(run: Patient) -> Iterator[str]:
    """Settings under which a game diverges less."""
    rate, gamma = run.option("generator_optimiser.rate"), run.option("game.penalty.r1")
    if not math.isnan(rate):
        yield run.train(
            f"--set generator_optimiser.rate={rate / 4:.2g}",
            f"--set discriminator_optimiser.rate={run.option('discriminator_optimiser.rate') / 4:.2g}",
        )
    if gamma == 0:
        yield run.train("--set game.penalty.r1=1")


def _collapsed(run: Patient) -> Diagnosis | None:
    spread, recall = run.facts.series("snapshot", "variety"), run.facts.series("score", "recall")
    evidence = []
    if spread and spread[-1][1] < COLLAPSED:
        evidence.append(f"in the end the samples vary {spread[-1][1]:.0%} as much as the data")
    if recall and recall[-1][1] < LOSING * max(y for _, y in recall):
        best = max(recall, key=lambda point: point[1])
        evidence.append(
            f"recall fell from {best[1]:.2f} at {best[0]:,.1f} kimg to {recall[-1][1]:.2f}"
        )
    if not evidence:
        return None
    words = "It collapsed: the generator makes few kinds of examples."
    if kinds := _kinds(run.facts):
        words = f"It collapsed to {kinds[0]} of {kinds[1]} kinds of examples."
    gamma = run.option("game.penalty.r1")
    remedies = [run.train("--set discriminator.minibatch_std=true")]
    if gamma > 0:
        weights = f"--set game.penalty.r1={3 * gamma:g}"
        if (second := run.option("game.penalty.r2")) > 0:
            weights += f" --set game.penalty.r2={3 * second:g}"
        remedies.insert(0, run.train(weights))
    elif run.facts.start.get("recipe") != "relativistic":
        remedies.insert(0, f"ganwright train {run.data} --recipe relativistic")
    return Diagnosis("collapsed", words, tuple(evidence), tuple(remedies))


def _kinds(facts: Facts) -> tuple[int, int] | None:
    """How many classes the last scored samples hold, of how many; None where nobody told."""
    scores = facts.of("score")
    last = scores[-1] if scores else {}
    shares = [value for key, value in last.items() if key.startswith("share_")]
    kept = sum(share >= MISSING / len(shares) for share in shares)
    return (kept, len(shares)) if kept < len(shares) else None


def _went_back(run: Patient) -> Diagnosis | None:
    """What the guard did about a discriminator that had won, or a collapse that lasted."""
    what = {"won": "D had won", "collapsed": "the samples varied too little"}
    backs = [e for e in run.facts.of("guard") if "back_to" in e and e["problem"] in what]
    if not backs:
        return None
    told = tuple(
        f"at {e[e['problem'] + '_at'] / 1000:,.1f} kimg, as {what[e['problem']]}: back to "
        f"{e['back_to'] / 1000:,.1f} kimg with {e['remedy']}"
        for e in backs
    )
    times = "once" if len(backs) == 1 else f"{len(backs)} times"
    return Diagnosis("went back", f"The guard went back {times}, and training went on.", told)


def _recovered(run: Patient) -> Diagnosis | None:
    spread = run.facts.series("snapshot", "variety")
    low = [x for x, y in spread if y < COLLAPSED and x > 0]
    if not low or spread[-1][1] < COLLAPSED:
        return None
    words = f"Its samples varied little until {low[-1]:,.1f} kimg, and have recovered since."
    return Diagnosis(
        "recovered", words, (f"in the end they vary {spread[-1][1]:.0%} as much as the data",)
    )


def _learned_by_heart(run: Patient) -> Diagnosis | None:
    logits, n = run.logits, run.facts.start.get("n", math.inf)
    if logits is None or not logits.overfit:
        return None
    words = (
        "The discriminator overfits: it knows its training examples by heart and judges unseen real "
        "ones more like samples."
    )
    evidence = (
        f"its mean logit is {logits.train:.2f} for training examples, {logits.heldout:.2f} for held-out "
        f"ones and {logits.made:.2f} for samples ({logits.n:,} of each)",
        f"it was trained on {n:,} examples",
    )
    return Diagnosis("overfits", words, evidence, tuple(_more_data(run)))


def _more_data(run: Patient) -> Iterator[str]:
    if run.logits is not None and run.logits.augments:
        yield run.train("--set game.augment.mode=adaptive")
    yield run.train("--from ANOTHER_RUN")


def _few(run: Patient) -> Diagnosis | None:
    n = run.facts.start.get("n", math.inf)
    mode = None if run.recipe is None else run.recipe.game.augment.mode
    if n >= FEW or mode not in ("off", "none") or run.logits is None or run.logits.overfit:
        return None
    words = (
        f"It was trained on {n:,} examples without augmentation: few enough to be learnt by heart."
    )
    return Diagnosis("few", words, (), tuple(_more_data(run)))


def _one_sided(run: Patient) -> Diagnosis | None:
    """A discriminator that wins, or gives up."""
    loss = run.late("report", "discriminator_loss")
    real, made = run.late("report", "real_logit"), run.late("report", "fake_logit")
    if not loss or not real or len(real) != len(made):
        return None
    gaps = [a - b for a, b in zip(real, made, strict=True)]
    evidence = (
        f"in the last third: loss of D {median(loss):.3g}, logits of real and made examples "
        f"{median(gaps):.3g} apart (medians)",
    )
    relative = run.recipe is not None and run.recipe.game.loss.startswith("relativistic")
    if run.recipe is not None and run.recipe.game.loss != "wasserstein" and median(loss) < LOST:
        words = "The discriminator wins: it has nothing left to learn, and the generator learns nothing."
        return Diagnosis("discriminator wins", words, evidence, tuple(_calmer(run)))
    if relative and _is_far(run.facts) and median(map(abs, gaps)) < UNTOLD:
        words = (
            "The discriminator gives up: it hardly tells real and made examples apart, although they "
            "differ, so it teaches the generator nothing. A penalty that is too strong does that."
        )
        weight = f"--set game.penalty.r1={run.option('game.penalty.r1') / 10:g}"
        weight += f" --set game.penalty.r2={run.option('game.penalty.r2') / 10:g}"
        return Diagnosis("discriminator gives up", words, evidence, (run.train(weight),))
    return None


def _got_worse(run: Patient) -> Diagnosis | None:
    scores = _scores(run.facts)
    if len(scores) < 3:
        return None
    best, last = min(scores, key=lambda point: point[1]), scores[-1]
    if last[1] < WORSE * best[1] or last[1] - best[1] < 3 * run.facts.last("fid_error"):
        return None
    words = f"It got worse after {best[0]:,.1f} kimg; the model of that moment is kept in best/ and used."
    evidence = (f"score {best[1]:.3g} there, {last[1]:.3g} at {last[0]:,.1f} kimg",)
    return Diagnosis("got worse", words, evidence, tuple(_calmer(run)))


def _improving(run: Patient) -> Diagnosis | None:
    scores = _scores(run.facts)
    early = [y for x, y in scores if x <= (1 - LATE) * scores[-1][0]]
    if not early or len(scores) < 3 or run.facts.state != "done":
        return None
    before, last = min(early), min(y for _, y in scores)
    if last > IMPROVING * before or before - last < 2 * run.facts.last("fid_error"):
        return None
    words = "It was still improving when its time was up."
    evidence = (f"in the last third its score fell from {before:.3g} to {last:.3g}",)
    spent = run.facts.last("seconds") / 60
    longer = f"--minutes {max(1, math.ceil(2 * spent))}"
    return Diagnosis("still improving", words, evidence, (run.train(longer, resume=True),))


def _scores(facts: Facts) -> Series:
    """What chose the best model, over time: the lower, the better."""
    likelihood = facts.series("score", "nll")
    return likelihood or facts.series("score", "fid")


def _is_far(facts: Facts) -> bool:
    """Whether the last score is far from that of real examples; likelihoods have no floor."""
    scores = facts.series("score", "fid")
    return bool(scores) and scores[-1][1] > FAR * max(facts.last("floor"), facts.last("fid_error"))


def _far(run: Patient) -> Diagnosis | None:
    if run.facts.series("score", "nll") or not _is_far(run.facts):
        return None
    fid, floor = run.facts.series("score", "fid")[-1][1], run.facts.last("floor")
    words = f"Its samples are still far from real examples: FID {fid:.3g}, where those have {floor:.3g}."
    return Diagnosis("far", words, (), (f"ganwright train {run.data} --minutes 10",))


def _healthy(run: Patient) -> Diagnosis:
    scores, floor = _scores(run.facts), run.facts.last("floor")
    evidence = []
    if scores:
        evidence.append(f"last score {scores[-1][1]:.3g}, best {min(y for _, y in scores):.3g}")
    if not math.isnan(floor) and not run.facts.series("score", "nll"):
        evidence.append(f"real training examples score {floor:.3g}")
    words = "Nothing is wrong that the log would show."
    run_ = shlex.quote(str(run.facts.folder.path))
    return Diagnosis("healthy", words, tuple(evidence), (f"ganwright evaluate {run_}",))


# The gravest first.
RULES: tuple[Callable[[Patient], Diagnosis | None], ...] = (
    _diverged, _collapsed, _one_sided, _learned_by_heart, _got_worse, _ended, _few, _went_back, _recovered,
    _improving, _far,
)  # fmt: skip


def _recipe(facts: Facts) -> Recipe | None:
    try:
        return named(facts.folder.recipe)
    except GanwrightError:
        return None


def _logits(facts: Facts, against: str | os.PathLike[str] | None) -> Logits | None:
    """Raises DataError only for data that was named just now."""
    source = against or facts.source
    if source is None:
        return None
    try:
        model = Model.load(facts.folder.path)
        options = model.data_options
        data = open_data(source, options=options)
    except (GanwrightError, OSError):
        if against is not None:
            raise
        return None
    most = PICTURED if model.generator.task else SAMPLED
    n = min(most, len(data.train), len(data.heldout))
    return None if n < 2 else judged(model, data, n)


@torch.inference_mode()
def judged(model: Model, data: Dataset, n: int) -> Logits:
    """The discriminator's mean logits, `n` examples of each kind."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        seen = data.train[:: len(data.train) // n][:n]
        (train, _), (heldout, condition) = (_said(model, data, i) for i in (seen, data.heldout[:n]))
        made = model.generator(model.net.latent.draw(0, 0, n), condition)
        examples = made if isinstance(made, torch.Tensor) else made[0]
        fake = model.discriminator(examples, condition)
    error = float(((train.var() + heldout.var()) / n).sqrt())
    augments = modality(model.codec.kind).has("augment") and not model.generator.task
    return Logits(
        float(train.mean()), float(heldout.mean()), float(fake.mean()), error, n, augments
    )


def _said(model: Model, data: Dataset, indices: np.ndarray) -> tuple[torch.Tensor, Any]:
    """The logits of real examples, and what they were judged on the condition of."""
    stored, labels = data.batch(indices)
    stored = model.generator.cut(stored)
    condition = model.generator.condition(data.codec.given(stored), labels)
    judged = model.generator.judged(data.codec.encode(stored), condition)
    return model.discriminator(judged, condition), condition
