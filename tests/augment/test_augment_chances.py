"""How often T does what, how p moves, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from ganwright.base.errors import OptionError
from ganwright.base.options import build
from ganwright.base.spec import Spec
from ganwright.game import Augment, AugmentOptions
from ganwright.game.augment import WATCHED, sureness
from ganwright.modalities.counts.spec import CountsSpec
from ganwright.modalities.images import augment as part
from ganwright.modalities.tables.spec import TableSpec

PICTURE = Spec(axes=("channel", "height", "width"), shape=(3, 8, 8))


def of(**options: object) -> Augment:
    return Augment.of(AugmentOptions(**options), part, PICTURE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ("flip", 1 / 2),  # by chance p, and then by a coin
        ("rotate90", 3 / 4),
        ("shift", 1 - (1 / 2) ** 2),  # of 8 pixels ±1: half of the draws round to 0, each way
        ("scale", 1),
        ("rotate", 1),
        ("stretch", 1),
        ("fractional", 1),
    ],
)
def test_each_happens_with_its_chance(operation: str, changed: float) -> None:
    torch.manual_seed(0)
    x = torch.rand(4000, 3, 8, 8)
    for p in (0.25, 0.8):
        result = of(mode="fixed", operations=(operation,), p=p)(x)
        share = float((result != x).any(dim=3).any(dim=2).any(dim=1).double().mean())
        assert abs(share - p * changed) < 4 * math.sqrt(0.25 / 4000)


def test_each_operation_on_colours_happens_with_a_share_of_p() -> None:
    torch.manual_seed(0)
    x = torch.rand(4000, 3, 8, 8)
    for share, times in ((0.5, 4), (1.0, 4)):
        result = of(mode="fixed", operations=("colour",), p=0.4, colour_share=share)(x)
        changed = (result != x).flatten(1).any(1).double().mean()
        assert abs(float(changed) - (1 - (1 - 0.4 * share) ** times)) < 0.032


def test_operations_are_drawn_apart_and_examples_too() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 8, 8).expand(4000, 3, 8, 8)
    result = of(mode="fixed", operations=("scale", "cutout"), p=0.5)(x)
    cut = (result == 0).flatten(1).any(1).double()
    scaled = (result[:, :, 0, :2] != x[:, :, 0, :2]).flatten(1).any(1).double()
    assert abs(float((cut * scaled).mean() - cut.mean() * scaled.mean())) < 0.15
    assert len(result.flatten(1).unique(dim=0)) > 4000 * 0.5


def test_schedules_of_p() -> None:
    fixed, rising = (of(mode=mode, p=0.4, p_kimg=2) for mode in ("fixed", "scheduled"))
    always, watching = (of(mode=mode) for mode in ("diffaug", "adaptive"))
    for seen, expected in (
        (0, 0.0),
        (500, 0.4 * (1 - math.cos(math.pi / 4)) / 2),
        (1000, 0.2),
        (9000, 0.4),
    ):
        for augment in (fixed, rising, always, watching):
            augment.at(seen)
        assert float(rising.p) == pytest.approx(expected, abs=1e-6)
        assert (float(fixed.p), float(always.p), float(watching.p)) == (
            pytest.approx(0.4),
            1.0,
            0.0,
        )


def test_sureness_of_known_logits() -> None:
    def value(real: list[int], fake: list[int]) -> float:
        return float(sureness(torch.tensor(real).double(), torch.tensor(fake).double()))

    assert value([3, 4, 5, 6], [-3, -4, -5, -6]) == 1  # it knows each
    assert value([103, 14, 5, 6], [97, 8, 4, 1]) == 1  # wherever the zero of each pair is
    assert value([1, 3], [3, 1]) == value([2, 2], [2, 2]) == 0  # it can't tell
    assert value([1, 1, 1, 9], [2, 2, 2, 2]) == -0.5
    torch.manual_seed(0)
    real, fake = torch.randn(200_000) + 1.19, torch.randn(200_000)
    assert float(sureness(real, fake)) == pytest.approx(0.6, abs=0.01)  # Φ(1.19/√2) = 0.8


def test_an_adaptive_p_walks_to_its_target() -> None:
    """500 kimg from 0 to 1, down again if it knows too little, and never beyond the most."""
    augment = of(mode="adaptive", speed_kimg=10, most=0.5)
    seen, path = 0, []
    for batch in range(400):
        augment.at(seen)
        path.append(float(augment.p))
        augment.follow(torch.tensor(0.9 if batch < 200 else 0.1))
        seen += 50
    assert path[WATCHED] == pytest.approx(WATCHED * 50 / 10_000)
    assert path[80] == pytest.approx(80 * 50 / 10_000)
    assert max(path) == path[150] == 0.5
    assert path[240] == pytest.approx(0.5 - (240 - 200) * 50 / 10_000, abs=0.021)
    assert path[-1] == 0.0


def test_its_state_goes_on_where_it_was() -> None:
    def play(augment: Augment, batches: range) -> None:
        for batch in batches:
            augment.at(batch * 16)
            augment.follow(torch.tensor(math.sin(batch)))

    whole, first, second = (of(mode="adaptive", speed_kimg=1, target=0.1) for _ in "abc")
    play(whole, range(50))
    play(first, range(23))
    second.load_state_dict(first.state_dict())
    play(first, range(23, 25))  # what a state says doesn't move on
    play(second, range(23, 50))
    assert second.state_dict() == whole.state_dict()
    assert 0 < float(whole.p) < 1


@pytest.mark.parametrize(
    ("options", "spec", "message"),
    [
        (
            {"mode": "fixed"},
            TableSpec(axes=("choice",), shape=(4,), choices=(2, 2)),
            r"^game.augment.mode: rows of a table can't be augmented$",
        ),
        (
            {"p": 0.5},
            CountsSpec(axes=("word",), shape=(4,)),
            r"^game.augment.p: rows of counts can't be augmented$",
        ),
        (
            {"operations": "flip, shift"},
            PICTURE,
            r"^game.augment.operations: has no effect while game.augment.mode is off; it is for fixed,",
        ),
        (
            {"mode": "adaptive", "p": 0.5},
            PICTURE,
            r"^game.augment.p: has no effect while game.augment.mode is adaptive; it is for fixed, sch",
        ),
        (
            {"mode": "diffaug", "colour_share": 1.0},
            PICTURE,
            r"^game.augment.colour_share: has no effect while game.augment.mode is diffaug; it is for ",
        ),
        (
            {"mode": "fixed", "most": 0.5},
            PICTURE,
            r"^game.augment.most: has no effect while game.augment.mode is fixed; it is for adaptive$",
        ),
        (
            {"mode": "diffaug", "operations": ("shift", "rotate")},
            PICTURE,
            r"^game.augment.operations: diffaug has colour, shift, cutout; got 'rotate'$",
        ),
    ],
)
def test_what_is_refused(options: dict[str, object], spec: Spec, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Augment.of(AugmentOptions(**options), part if spec is PICTURE else None, spec)  # type: ignore[arg-type]


def test_options_are_checked() -> None:
    for wrong in ({"p": 1.5}, {"mode": "always"}, {"operations": ["blur"]}, {"speed_kimg": 0}):
        with pytest.raises(OptionError):
            build(AugmentOptions, wrong)
