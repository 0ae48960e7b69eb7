"""Starting from another run's weights: what is taken, what begins new, what is refused."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import ganwright as gw
from ganwright.base.errors import Interrupted, ModelError, OptionError, RunError
from ganwright.base.options import from_toml
from ganwright.base.runs import RunFolder
from ganwright.cli.app import run as command
from ganwright.model import fingerprint, weights_of
from ganwright.train import Recipe, prepare
from ganwright.train.run import Prepared
from ganwright.train.trainer import Trainer
from ganwright.train.transfer import take

Capture = pytest.CaptureFixture[str]
EMBEDDINGS = ("generator.input.embed.weight", "discriminator.head.embed.weight")


def begun(prepared: Prepared) -> Trainer:
    """A trainer as a run would have it before its first round."""
    trainer = Trainer(prepared.plan.recipe, prepared.data, "cpu")
    assert prepared.source is not None and prepared.taken is not None
    take(prepared.source, prepared.taken, trainer)
    return trainer


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return weights_of(trainer.game.generator, trainer.game.discriminator)


def test_the_command_starts_from_a_run(
    tiny: Any, digits_run: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "run"
    line = ["train", "digits", "--from", str(digits_run), "--out", str(out), "--kimg", "0.1"]
    assert command([*line, "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    mark = fingerprint(digits_run)
    assert f"starts from '{digits_run}' (fingerprint {mark}): 14 of 14 tensors copied" in said.err
    recipe = from_toml(Recipe, RunFolder(out).recipe.read_text(), owner="x")
    source = from_toml(Recipe, RunFolder(digits_run).recipe.read_text(), owner="x")
    assert (recipe.start.model, recipe.start.fingerprint) == (str(digits_run), mark)
    assert (recipe.net(), recipe.game, recipe.name) == (source.net(), source.game, source.name)
    assert recipe.train.batch == source.train.batch
    assert recipe.train.report_kimg != source.train.report_kimg  # filled in anew
    (event,) = [e for e in RunFolder(out).events() if e["event"] == "transfer"]
    assert (event["fingerprint"], event["taken"], event["new"]) == (mark, 14, [])
    assert RunFolder(out).events()[-1]["seen"] == 112


def test_what_is_taken_is_the_source(tiny: Any, digits_run: Path) -> None:
    trainer = begun(prepare("digits", start_from=digits_run, kimg=0.1, device="cpu"))
    model = gw.load(digits_run)
    theirs = weights_of(model.generator, model.discriminator)
    mine = weights(trainer)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    average = weights_of(trainer.average.network, model.discriminator)
    assert all(torch.equal(average[name], theirs[name]) for name in average)
    model_now = trainer.model()
    assert np.array_equal(model_now.sample(8, seed=3), model.sample(8, seed=3))


def test_a_generator_told_of_classes_begins_as_it_was(tiny: Any, unlabelled_run: Path) -> None:
    settings = {"data.labels": True}
    prepared = prepare(
        "digits", start_from=unlabelled_run, kimg=0.1, device="cpu", settings=settings
    )
    found, reason = prepared.taken, prepared.reasons[-1]
    assert found is not None
    assert found.part == ("generator.layers.0.weight",) and found.new == EMBEDDINGS
    assert reason.endswith(
        "11 of 14 tensors copied; 1 in part: generator.layers.0.weight; 2 new, "
        "as they depend on the classes: "
        + ", ".join(EMBEDDINGS)
        + "; it makes images of 8×8 grey, as there"
    )
    generator, source = begun(prepared).game.generator, gw.load(unlabelled_run).generator
    z = prepared.plan.recipe.latent.draw(0, 0, 20)
    made = generator(z, torch.arange(20) % 10)
    torch.testing.assert_close(made, source(z, None))
    made.sum().backward()  # and learns of them
    assert generator.layers[0].weight.grad[:, -64:].abs().max() > 0


@pytest.mark.parametrize("recipe", ["mlp", "latent-skip", "dense-conv", "r3gan"])
def test_so_does_every_other_generator_of_pictures(
    tiny: Any, built: Callable[..., Path], recipe: str
) -> None:
    source = built(recipe, **{"data.labels": False})
    prepared = prepare(
        "digits", start_from=source, kimg=0.1, device="cpu", settings={"data.labels": True}
    )
    assert prepared.taken is not None and prepared.taken.part
    assert set(prepared.taken.new) >= set(EMBEDDINGS)
    generator = begun(prepared).game.generator.eval()
    z = prepared.plan.recipe.latent.draw(0, 0, 20)
    torch.testing.assert_close(
        generator(z, torch.arange(20) % 10), gw.load(source).generator(z, None)
    )


def test_classes_can_be_left_out(tiny: Any, digits_run: Path) -> None:
    prepared = prepare(
        "digits", start_from=digits_run, kimg=0.1, device="cpu", settings={"data.labels": False}
    )
    assert prepared.taken is not None
    assert prepared.taken.part == ("generator.layers.0.weight",) and prepared.taken.new == ()
    begun(prepared).round()


@pytest.mark.parametrize("side", [8, 13])
def test_other_classes_begin_new_and_pictures_come_to_the_source_s_size(
    tiny: Any, digits_run: Path, pictures: Callable[..., Path], side: int
) -> None:
    prepared = prepare(pictures(side, 4), start_from=digits_run, kimg=0.1, device="cpu")
    assert prepared.data.spec.shape == (1, 8, 8) and len(prepared.data.spec.classes) == 4
    assert prepared.taken is not None and prepared.taken.new == EMBEDDINGS
    trainer, theirs = begun(prepared), weights_of(*_players(gw.load(digits_run)))
    for name, tensor in weights(trainer).items():
        assert (tensor.shape == theirs[name].shape) == (name not in EMBEDDINGS)
        assert name in EMBEDDINGS or torch.equal(tensor, theirs[name])
    trainer.round()


def _players(model: gw.Model) -> tuple[Any, Any]:
    return model.generator, model.discriminator


def test_classes_of_other_names_are_told(
    tiny: Any, digits_run: Path, pictures: Callable[..., Path], tmp_path: Path
) -> None:
    path = pictures(8, 10)
    with np.load(path) as file:
        images, labels = file["images"], file["labels"]
    np.savez(tmp_path / "named.npz", images=images, labels=labels + 100)
    prepared = prepare(tmp_path / "named.npz", start_from=digits_run, kimg=0.1, device="cpu")
    assert "have other names here" in prepared.reasons[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"latent.dim": 10}}, "has latent.dim 64, this run 10"),
        ({"settings": {"latent.kind": "uniform"}}, "has latent.kind 'normal', this run 'uniform'"),
        ({"recipe": "mlp"}, "has latent.dim 64, this run 100"),
        (
            {"recipe": "mlp", "settings": {"latent.dim": 64}},
            "has generator.kind 'dcgan', this run 'mlp'",
        ),
        (
            {"settings": {"generator.width": 5}},
            "doesn't fit: generator.layers.0.weight is 32×128 there and 40×128 here$",
        ),
        (
            {"settings": {"discriminator.width": 5}},
            "doesn't fit: discriminator.layers.0.weight is 4×1×4×4 there and 5×1×4×4 here$",
        ),
        (
            {"settings": {"data.size": 16}},
            "generator.layers.0.weight is .* there and .* here; it makes images of 8×8 grey: "
            "--set data.size=8x8 --set data.channels=1",
        ),
        ({"settings": {"generator.norm": "batch"}}, "generator.layers.2.weight is absent there"),
        ({"settings": {"game.privacy.noise": 1.5}}, "--from: doesn't go with game.privacy: what"),
        ({"settings": {"train.freeze_d": 3}}, "this discriminator has 2 stages .*; got 3"),
    ],
    ids=str,
)
def test_misfits_are_named(
    tiny: Any, digits_run: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        gw.train("digits", start_from=digits_run, out=tmp_path / "run", kimg=0.1, **change)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_no_model_and_a_damaged_one(tiny: Any, digits_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        prepare("digits", start_from=tmp_path / "none")
    copy = shutil.copytree(digits_run, tmp_path / "copy")
    for file in copy.rglob("model.safetensors"):
        file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ModelError, match="damaged"):
        prepare("digits", start_from=copy)


def test_a_recipe_repeats_its_start_or_says_that_it_changed(
    tiny: Any, digits_run: Path, unlabelled_run: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(digits_run, tmp_path / "source")
    first = gw.train("digits", start_from=source, out=tmp_path / "a", kimg=0.1, device="cpu")
    recipe = first.path / "recipe.toml"
    again = gw.train("digits", recipe=recipe, out=tmp_path / "b")
    assert tiny.weights(first.path) == tiny.weights(again.path)
    shutil.rmtree(source)
    shutil.copytree(first.path, source)
    with pytest.raises(OptionError, match=r"^start: .* the recipe started from .* with --from$"):
        gw.train("digits", recipe=recipe, out=tmp_path / "c")
    other = gw.train("digits", recipe=recipe, start_from=source, out=tmp_path / "c")
    assert tiny.weights(first.path) != tiny.weights(other.path)


def test_a_resume_takes_the_same_bits_and_no_source(
    tiny: Any, digits_run: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(digits_run, tmp_path / "source")
    settings = {"train.freeze_d": 1, "train.microbatch": 8, "train.checkpoint_kimg": 0.05}

    def train(name: str, **rest: Any) -> gw.Run:
        return gw.train(
            "digits", start_from=source, out=tmp_path / name, kimg=0.2, device="cpu",
            settings=settings, **rest,
        )  # fmt: skip

    def stop(trainer: Trainer) -> None:
        if trainer.seen == 96:
            signal.raise_signal(signal.SIGINT)

    whole = train("whole")
    with pytest.raises(Interrupted):
        train("stopped", observer=tiny.Watcher(stop))
    shutil.rmtree(source)
    stopped = train("stopped", resume=True)
    assert tiny.weights(whole.path) == tiny.weights(stopped.path)
    assert (whole.path / "recipe.toml").read_bytes() == (stopped.path / "recipe.toml").read_bytes()
    with pytest.raises(RunError, match="started with other options"):
        gw.train("digits", start_from=digits_run, out=tmp_path / "whole", resume=True)


def test_what_was_learned_of_another_table_is_refused(tiny: Any, tmp_path: Path) -> None:
    def table(shift: float) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        return pd.DataFrame({"a": rng.normal(shift, 1, 200), "b": list("xyzw") * 50})

    settings = {"generator.width": 16, "discriminator.width": 16, "train.batch": 32}
    source = gw.train(table(0), out=tmp_path / "a", kimg=0.1, device="cpu", settings=settings)
    same = gw.train(table(0), start_from=source, out=tmp_path / "b", kimg=0.1)
    assert same.log[-1]["event"] == "done"
    with pytest.raises(OptionError, match="refer to values that this data does not have"):
        gw.train(table(1), start_from=source, out=tmp_path / "c", kimg=0.1)
