"""Before a run: how fast it is, how much memory it takes, and how often to write.

A few rounds are measured, and what follows from them is written into the recipe: number of threads,
intervals, length of schedules. So a run can be repeated bit for bit even if a clock set its length.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from ganwright.base.errors import OptionError, message
from ganwright.base.options import to_toml
from ganwright.base.threads import on_threads
from ganwright.data import DataOptions, Dataset
from ganwright.game import OptimiserOptions
from ganwright.nets import count_parameters
from ganwright.train.ram import peak_of, room_for
from ganwright.train.recipes import Precision, Recipe, StartOptions, TrainOptions
from ganwright.train.trainer import Trainer, precision_on

DEVICES = ("auto", "cpu", "cuda", "mps")
MEASURED_S = 0.5
FASTER = 1.1  # times, for float32 to be taken where the hardware has bfloat16: less is chance
REPORTS, SNAPSHOTS, CHECKPOINTS, SCORES = 100, 20, 10, 20  # in one budget
SCORE_SHARE = 0.1  # of the time, for scores; a run by the clock times one before it begins
# Without a clock the interval must not depend on one. On a CPU a score costs as much as training on some
# hundred examples, so that once in 5 kimg keeps it under that share.
LEAST_SCORE_KIMG = 5.0
LONG_S = 600.0  # a run this long justifies a minute of training features to score by
REPORT_S, SNAPSHOT_S, CHECKPOINT_S = 30.0, 600.0, 300.0  # but never further apart than this


def pick_device(name: str) -> str:
    """The device that `name` stands for; "auto" takes CUDA, then MPS, then the CPU.

    Raises OptionError when the device is not there.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, there in present.items() if there)
    if name not in present:
        raise OptionError(
            message("--device", f"unknown device {name!r}", allowed=DEVICES, got=name)
        )
    if not present[name]:
        raise OptionError(f"--device: no {name} on this machine; use --device auto")
    return name


def in_minutes(minutes: float) -> str:
    """A length of time in words: "5 seconds", "0.34 minutes", "1 minute", "1,440 minutes"."""
    if minutes < 0.1:
        return f"{60 * minutes:.2g} seconds"
    said = f"{minutes:.2g}" if minutes < 10 else f"{minutes:,.0f}"
    return f"{said} minute" if said == "1" else f"{said} minutes"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a run: the resolved recipe and its measurements on this machine."""

    recipe: Recipe
    device: str
    generator_parameters: int
    discriminator_parameters: int
    images_per_s: float
    state_bytes: int
    peak_bytes: int
    derived: str = ""  # sizes that follow from the recipe and the data

    @property
    def expected_kimg(self) -> float:
        """How far the budget reaches at the measured speed, in thousand examples."""
        o = self.recipe.train
        reach = (self.images_per_s * 60 * o.minutes / 1000) if o.minutes else float("inf")
        return min(reach, o.kimg or float("inf"))

    def __str__(self) -> str:
        minutes = self.expected_kimg * 1000 / self.images_per_s / 60
        threads = self.recipe.train.threads
        return "\n".join(
            [
                to_toml(self.recipe).strip(),
                "",
                f"device       {self.device}, {threads} thread{'' if threads == 1 else 's'}",
                f"parameters   generator {self.generator_parameters:,}, "
                f"discriminator {self.discriminator_parameters:,}",
                *([f"blocks       {self.derived}"] if self.derived else []),
                f"memory       {self.peak_bytes / 2**20:,.0f} MiB of tensors at the peak of a step, "
                f"{self.state_bytes / 2**20:,.0f} MiB of them weights and optimiser state",
                f"speed        {self.images_per_s:,.0f} examples/s, measured on a few rounds",
                f"expected     {self.expected_kimg:,.1f} kimg in {in_minutes(minutes)}",
            ]
        )


class Trial:
    """A trainer that plays a few rounds to be measured; the run itself starts afresh."""

    def __init__(self, recipe: Recipe, data: Dataset, device: str) -> None:
        self.plays = _plays(recipe)
        with room_for(recipe):
            self.trainer = Trainer(recipe, data, device)
        self._speeds: dict[tuple[int, Precision], float] = {}

    @cached_property
    def precision(self) -> Precision:
        """What the recipe asks for. For "auto" on a CPU the fastest: a flag of the hardware may deceive.

        float32 is tried where the flag says bfloat16, and taken only where it is clearly faster. Without
        the flag bfloat16 is emulated.
        """
        recipe, device = self.trainer.recipe, self.trainer.device.type
        usual = precision_on(recipe.train.precision, device)
        if recipe.train.precision != "auto" or usual == "float32" or device != "cpu":
            return usual
        threads = torch.get_num_threads()
        faster = self._measured(threads, "float32") > FASTER * self._measured(threads, usual)
        return "float32" if faster else usual

    def speed(self, threads: int) -> float:
        """Real examples per second on so many threads."""
        return self._measured(threads, self.precision)

    def peak(self, threads: int) -> int:
        """The peak memory of a round's tensors, in bytes."""
        with self._playing(threads, self.precision):
            return peak_of(self.trainer)

    def _measured(self, threads: int, precision: Precision) -> float:
        if (threads, precision) not in self._speeds:
            with self._playing(threads, precision):
                self._speeds[threads, precision] = measure(self.trainer)
        return self._speeds[threads, precision]

    @contextmanager
    def _playing(self, threads: int, precision: Precision) -> Iterator[None]:
        recipe = self.trainer.recipe
        self.trainer.recipe = replace(recipe, train=replace(recipe.train, precision=precision))
        with on_threads(threads), room_for(recipe):
            yield
        self.trainer.recipe = recipe


class Trials:
    """Trials of recipes on some data and a device, each made once.

    `asked` are the options of the data as the user gave them: what they leave open may be chosen.
    """

    def __init__(self, data: Dataset, device: str, asked: DataOptions | None = None) -> None:
        self.data, self.device = data, device
        self.asked = data.options if asked is None else asked
        self._made: list[Trial] = []
        self._others: dict[tuple[int, ...], Trials] = {}

    def on(self, data: Dataset) -> Trials:
        """Trials of the data in this size, which is then no longer open."""
        if data.spec.shape not in self._others:
            self._others[data.spec.shape] = other = Trials(data, self.device)
            if data is self.data:
                other._made = self._made
        return self._others[data.spec.shape]

    def of(self, recipe: Recipe) -> Trial:
        """The trial of that recipe, or of one with equal rounds."""
        plays = _plays(recipe)
        for trial in self._made:
            if trial.plays == plays:
                return trial
        self._made.append(Trial(replace(recipe, data=self.data.options), self.data, self.device))
        return self._made[-1]

    def speeds(self, recipe: Recipe) -> dict[int, float]:
        """Examples per second by number of threads: all that torch would take, and one.

        Threads wait for each other, so on a shared machine all of them can be many times slower than
        one alone.
        """
        usual = torch.get_num_threads()
        counts = {usual, 1} if self.device == "cpu" else {usual}
        return {count: self.of(recipe).speed(count) for count in counts}

    def speed(self, recipe: Recipe) -> float:
        """Examples per second on the best number of threads."""
        return max(self.speeds(recipe).values())


def _plays(recipe: Recipe) -> Recipe:
    """The recipe without anything that doesn't affect the speed and memory of a round."""
    o = recipe.train
    kept = TrainOptions(
        batch=o.batch,
        microbatch=o.microbatch,
        precision=o.precision,
        freeze_d=o.freeze_d,
        capture=o.capture,
    )
    return replace(recipe, name="", data=DataOptions(), start=StartOptions(), train=kept)


def make_plan(recipe: Recipe, trials: Trials) -> Plan:
    """Measures a few rounds and sets the intervals by their speed; writes nothing."""
    if recipe.train.minutes is None:  # without a clock nothing is chosen by trial
        flagged = precision_on(recipe.train.precision, trials.device)
        recipe = replace(recipe, train=replace(recipe.train, precision=flagged))
    recipe = with_threads(recipe, trials)
    threads = recipe.train.threads
    assert threads is not None
    trial = trials.of(recipe)
    recipe = replace(recipe, train=replace(recipe.train, precision=trial.precision))
    speed, trainer, peak = trial.speed(threads), trial.trainer, trial.peak(threads)
    state = trainer.state()
    del state["progress"]
    plan = Plan(
        recipe=recipe,
        device=trials.device,
        generator_parameters=count_parameters(trainer.game.generator),
        discriminator_parameters=count_parameters(trainer.game.discriminator),
        images_per_s=speed,
        state_bytes=_bytes(state),
        peak_bytes=peak,
        derived=str(trainer.game.generator.derived),
    )
    recipe = with_decay(recipe, plan.expected_kimg)
    scored_by = trials.data.codec.scored_by
    return replace(plan, recipe=with_intervals(recipe, plan.expected_kimg, speed, scored_by))


def with_decay(recipe: Recipe, kimg: float, *, instead_of: float = 0) -> Recipe:
    """The recipe with the length of a decay filled in that lasts as long as the run.

    Such decays have length 0 until it is known or, once the budget has changed, the old length.
    """

    def decaying(o: OptimiserOptions) -> OptimiserOptions:
        lasts = o.changes and o.decay_kimg == instead_of
        return replace(o, decay_kimg=round(kimg, 3)) if lasts else o

    gamma = recipe.game.gamma
    if gamma.final != 1 and gamma.decay_kimg == instead_of:
        gamma = replace(gamma, decay_kimg=round(kimg, 3))
    return replace(
        recipe,
        game=replace(recipe.game, gamma=gamma),
        generator_optimiser=decaying(recipe.generator_optimiser),
        discriminator_optimiser=decaying(recipe.discriminator_optimiser),
    )


def at_speed(recipe: Recipe, planned: float, seen: int, seconds: float) -> tuple[Recipe, float]:
    """The recipe with schedules as long as the clock will let the run be, and that length in kimg.

    They were to last `planned` kimg, and the run has seen `seen` examples in `seconds`. Nothing changes
    once a schedule has begun, by the old length or the new one: until then the run is the same with
    either, so that its recipe still repeats it.
    """
    o = recipe.train
    if o.minutes is None or not seen:
        return recipe, planned
    kimg = round(min(seen / 1000 / seconds * 60 * o.minutes, o.kimg or math.inf), 3)
    found = with_decay(recipe, kimg, instead_of=planned)
    begun = any(
        seen / 1000 > player.begins_kimg
        for one in (recipe, found)
        for player in (one.generator_optimiser, one.discriminator_optimiser)
    )
    if begun or found == recipe or found.game.gamma != recipe.game.gamma:  # γ falls from the start
        return recipe, planned
    return found, kimg


def with_threads(recipe: Recipe, trials: Trials) -> Recipe:
    """The recipe with its number of threads filled in.

    By trial only where the clock ends the run and OMP_NUM_THREADS is not set: sums depend on how they
    are split over threads, so a run by kimg must not depend on a measurement.
    """
    o = recipe.train
    if o.threads is not None:
        return recipe
    by_trial = o.minutes is not None and not os.environ.get("OMP_NUM_THREADS")
    found = trials.speeds(recipe) if by_trial else {torch.get_num_threads(): 0.0}
    return replace(recipe, train=replace(o, threads=max(found, key=lambda n: found[n])))


def measure(trainer: Trainer, seconds: float = MEASURED_S) -> float:
    """Real examples per second, after one round of warming up."""
    trainer.round()
    _wait(trainer.device)
    began, before = time.perf_counter(), trainer.seen
    while (spent := time.perf_counter() - began) < seconds or trainer.seen == before:
        trainer.round()
        _wait(trainer.device)
    return (trainer.seen - before) / spent


def with_intervals(
    recipe: Recipe,
    kimg: float,
    images_per_s: float,
    scored_by: tuple[str, str] = ("pixels", "learned"),
) -> Recipe:
    """The recipe with the open intervals filled in, so that a repetition has the same ones.

    `scored_by` are the features of scores where the recipe says none: of a short run, of a long one.
    """
    o = recipe.train

    def interval(asked: float | None, times: int, most_s: float) -> float:
        if asked is not None:
            return asked
        seen = min(kimg * 1000 / times, images_per_s * most_s)
        return max(round(seen / o.batch), 1) * o.batch / 1000

    fixed = replace(
        o,
        report_kimg=interval(o.report_kimg, REPORTS, REPORT_S),
        snapshot_kimg=interval(o.snapshot_kimg, SNAPSHOTS, SNAPSHOT_S),
        checkpoint_kimg=interval(o.checkpoint_kimg, CHECKPOINTS, CHECKPOINT_S),
        score_kimg=o.score_kimg
        if o.minutes is not None  # set by `with_scores`, once a score has been timed
        else max(interval(o.score_kimg, SCORES, SNAPSHOT_S), o.score_kimg or LEAST_SCORE_KIMG),
        score_features=o.score_features
        # Rounded: ten minutes times a speed, divided by that speed, may fall just short of ten minutes.
        or scored_by[round(kimg * 1000 / images_per_s, 3) >= LONG_S],
    )
    return replace(recipe, train=fixed)


def with_scores(recipe: Recipe, kimg: float, images_per_s: float, score_s: float) -> Recipe:
    """The recipe with the interval of scores filled in where it is open; one takes `score_s` seconds.

    All together take at most a tenth of the time; of a very short run only the end is scored.
    """
    o = recipe.train
    if o.score_kimg is not None:
        return recipe
    seconds = kimg * 1000 / images_per_s
    times = min(max(SCORES, seconds / SNAPSHOT_S), SCORE_SHARE * seconds / max(score_s, 1e-9))
    rounds = math.ceil(kimg * 1000 / max(times, 1) / o.batch)
    return replace(recipe, train=replace(o, score_kimg=rounds * o.batch / 1000))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _bytes(node: object) -> int:
    if isinstance(node, torch.Tensor):
        return node.numel() * node.element_size()
    if isinstance(node, dict):
        return sum(map(_bytes, node.values()))
    return 0
