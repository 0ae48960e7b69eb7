"""Restoring from the command line and from Python: what is promised of files, masks, results and messages."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import ganwright as gw
from ganwright.base.errors import GanwrightError, OptionError, UsageError
from ganwright.cli.app import run as command
from ganwright.modalities.images.read.deep import encode_png, encode_tiff
from ganwright.modalities.images.read.pictures import decoding, read_pixels
from ganwright.modalities.images.restore import Repair
from ganwright.model import Model
from ganwright.report.doctor import Patient
from ganwright.report.facts import read_run
from ganwright.train import plan
from ganwright.train.progress import facts

Capture = pytest.CaptureFixture[str]
TINY: dict[str, Any] = {
    "generator.width": 4, "generator.depth": 1, "discriminator.width": 4, "train.batch": 8,
    "train.score_features": "pixels",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "MEASURED_S", 0.01)
        yield


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred colour pictures of 20×24 without fine detail."""
    folder, rng = tmp_path_factory.mktemp("clean"), np.random.default_rng(0)
    for i in range(100):
        coarse = Image.fromarray(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8))
        coarse.resize((24, 20), Image.Resampling.BICUBIC).save(folder / f"{i:03}.png")
    return folder


def run_of(task: str, clean: Path, out: Path) -> Path:
    gw.train(clean, task=task, out=out, kimg=0.08, settings=TINY, device="cpu", progress=False)
    return out


@pytest.fixture(scope="module")
def denoiser(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of("denoise", clean, tmp_path_factory.mktemp("runs") / "denoise")


@pytest.fixture(scope="module")
def filler(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of("inpaint", clean, tmp_path_factory.mktemp("runs") / "inpaint")


@pytest.fixture(scope="module")
def upscaler(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of("upscale", clean, tmp_path_factory.mktemp("runs") / "upscale")


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def pixels(path: Path) -> np.ndarray:
    with decoding(), path.open("rb") as file:
        return read_pixels(file)


def damaged(folder: Path) -> Path:
    """One of every kind of file."""
    folder.mkdir()
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    told: dict[str, Any] = {"icc_profile": icc, "exif": exif.tobytes()}
    array = picture(21, 34, 3)
    Image.fromarray(array).save(folder / "turned.png", **told)
    Image.fromarray(array).save(folder / "lossy.jpg", **told)
    Image.fromarray(array).save(folder / "lossless.webp", lossless=True, **told)
    Image.fromarray(picture(21, 34, 4)).save(folder / "alpha.png")
    Image.fromarray(array[:, :, 0]).save(folder / "grey.png")
    Image.fromarray(array[:, :, 0] / np.float32(255)).save(folder / "float.tif")
    Image.fromarray(array[:, :, 0].astype(np.uint16) * 250).save(folder / "deep-grey.png")
    deep = array.astype(np.uint16) * 250
    (folder / "deep.png").write_bytes(encode_png(deep, icc, exif.tobytes()))
    (folder / "deep.tif").write_bytes(encode_tiff(deep, icc))
    Image.fromarray(array).save(folder / "turned.tif", tiffinfo={0x0112: 8}, icc_profile=icc)
    (folder / "inner").mkdir()
    Image.fromarray(array).save(folder / "inner" / "plain.bmp")
    (folder / "inner" / "notes.txt").write_text("no picture")
    return folder


def test_every_file_comes_back_as_what_it_was(
    denoiser: Path, tmp_path: Path, capsys: Capture
) -> None:
    source, out = damaged(tmp_path / "damaged"), tmp_path / "out"
    (source / "broken.png").write_bytes(b"no picture")
    before = {p: p.read_bytes() for p in source.rglob("*") if p.is_file()}
    assert command(["restore", str(denoiser), str(source), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(out)
    assert "warning: 1 picture is left out: broken.png can't be read as a picture" in told.err
    assert before == {p: p.read_bytes() for p in source.rglob("*") if p.is_file()}
    results = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    names = sorted(str(p.relative_to(source)) for p in before)
    assert results == [n for n in names if n not in ("broken.png", "inner/notes.txt")]
    for name in results:
        was, now = pixels(source / name), pixels(out / name)
        assert (was.shape, was.dtype) == (now.shape, now.dtype), name
        assert not np.array_equal(was, now), name
        with Image.open(source / name) as old, Image.open(out / name) as new:
            assert old.format == new.format
            assert old.info.get("icc_profile") == new.info.get("icc_profile"), name
            assert old.getexif().get(0x0112, 1) == new.getexif().get(0x0112, 1), name
            assert old.getexif().get(0x010F) == new.getexif().get(0x010F), name
    assert np.array_equal(pixels(source / "alpha.png")[..., 3], pixels(out / "alpha.png")[..., 3])


def test_outside_the_mask_every_pixel_is_untouched(filler: Path, tmp_path: Path) -> None:
    source, out = damaged(tmp_path / "damaged"), tmp_path / "out"
    (source / "lossy.jpg").unlink()
    masks = tmp_path / "masks"
    for path in source.rglob("*"):
        if path.is_file() and path.suffix != ".txt":
            shape = pixels(path).shape[:2]
            mask = np.zeros(shape, np.uint8)
            mask[3:11, 5:20] = 255
            target = masks / path.relative_to(source).with_name(f"{path.name}.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(target)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(masks / "unused.png")
    run = ["restore", str(filler), str(source), "--mask", str(masks), "--out", str(out)]
    assert command(run) == 0
    assert len(list(out.rglob("*.*"))) == 10
    for path in out.rglob("*.*"):
        was, now = pixels(source / path.relative_to(out)), pixels(path)
        changed = (was != now).any(2)
        assert changed.any() and changed[3:11, 5:20].sum() == changed.sum(), path


def test_draws_differ_inside_the_mask_and_repeat_by_seed(filler: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(20, 20, 3)).save(tmp_path / "a.png")
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    given = [str(filler), str(tmp_path / "a.png"), "--mask", str(tmp_path / "m.png")]
    for out in ("x", "y"):
        assert command(["restore", *given, "--draws", "2", "--out", str(tmp_path / out)]) == 0
    first, second = (tmp_path / "x" / f"draw-{i}" / "a.png" for i in (1, 2))
    assert first.read_bytes() == (tmp_path / "y" / "draw-1" / "a.png").read_bytes()
    assert np.array_equal(pixels(first)[:5], pixels(second)[:5])


@pytest.mark.parametrize("scale", [2, 4])
def test_upscaling_makes_pictures_larger_by_the_scale(
    scale: int, upscaler: Path, tmp_path: Path
) -> None:
    Image.fromarray(picture(9, 13, 4)).save(tmp_path / "a.png")
    run = ["restore", str(upscaler), str(tmp_path / "a.png"), "--scale", str(scale)]
    assert command([*run, "--out", str(tmp_path / "out")]) == 0
    assert pixels(tmp_path / "out" / "a.png").shape == (9 * scale, 13 * scale, 4)


def test_tiles_of_an_enlarged_picture_have_no_seams(
    upscaler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = gw.load(upscaler)
    small = picture(70, 90, 3)
    whole = gw.restore(model, small)
    monkeypatch.setattr("ganwright.modalities.images.tiles.tiled.__kwdefaults__", {"side": 32})
    tiled = gw.restore(model, small)
    assert whole.shape == (140, 180, 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1  # rounding


def test_arrays_come_back_in_their_own_form(denoiser: Path, filler: Path) -> None:
    one, grey, batch = picture(12, 17, 3), picture(12, 17), picture(3, 12, 17, 3)
    assert gw.restore(denoiser, one).shape == one.shape
    assert gw.restore(denoiser, grey).shape == grey.shape
    assert np.array_equal(gw.restore(denoiser, batch)[1], gw.restore(denoiser, batch[1]))
    found = gw.restore(denoiser, [one, grey.astype(np.uint16)])
    assert [f.dtype.name for f in found] == ["uint8", "uint16"]
    mask = np.zeros((12, 17), bool)
    mask[2:5, 2:5] = True
    drawn = gw.restore(filler, batch, mask=mask, draws=2)
    assert len(drawn) == 2 and np.array_equal(drawn[0][:, ~mask], batch[:, ~mask])
    with pytest.raises(OptionError, match="mask: is"):
        gw.restore(filler, one, mask=mask[:5])
    with pytest.raises(OptionError, match="mask: must be an array"):
        gw.restore(filler, picture(10, 12, 3), mask="mask.png")
    with pytest.raises(UsageError, match="takes pictures"):
        gw.restore(denoiser, np.zeros((4, 4, 3)))


def test_a_model_of_other_depth_takes_every_depth_alike(denoiser: Path) -> None:
    work = Repair(gw.load(denoiser))
    one = picture(16, 16, 3)
    deep = work(one.astype(np.uint16) * 257).astype(float) / 257
    assert np.abs(deep - work(one)).max() <= 0.51
    real = work(one / np.float32(255)) * 255
    assert np.abs(np.rint(real).clip(0, 255) - work(one)).max() <= 1


# --- training, judging, reporting ----------------------------------------------------------------


def test_a_stopped_run_goes_on_to_the_same_bits(clean: Path, tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "task": "denoise", "settings": {**TINY, "train.score_features": "off"}, "device": "cpu",
        "progress": False,
    }  # fmt: skip
    fixed = {"generator_optimiser.final_rate": 1e-3, "discriminator_optimiser.final_rate": 1e-3}
    more["settings"] = {**more["settings"], **fixed, "train.threads": 1}
    whole = gw.train(clean, out=tmp_path / "whole", kimg=0.064, **more)
    gw.train(clean, out=tmp_path / "halves", kimg=0.032, **more)
    folder = tmp_path / "halves"
    gw.train(clean, out=folder, kimg=0.064, resume=True, device="cpu", progress=False)
    for name, tensor in whole.model.generator.state_dict().items():
        assert bool((tensor == gw.load(folder).generator.state_dict()[name]).all()), name


def test_a_run_is_judged_beside_doing_nothing_and_simple_methods(
    denoiser: Path, filler: Path, capsys: Capture
) -> None:
    for run, other in ((denoiser, "median"), (filler, "harmonic")):
        assert command(["evaluate", str(run), "--features", "pixels"]) == 0
        told = capsys.readouterr().out
        assert all(word in told for word in ("PSNR", "SSIM", "FID", other, "plausible, not true"))
        card = json.loads((run / "card.json").read_text())
        assert set(card["measures"]) == {"psnr", "ssim", "fid"}
        psnr = card["measures"]["psnr"]
        assert psnr["better"] == "higher" and psnr["low"] <= psnr["value"] <= psnr["high"]
        assert other in psnr["others"]


def test_the_report_shows_what_was_given_made_and_true(denoiser: Path) -> None:
    command(["evaluate", str(denoiser), "--features", "pixels"])
    text = gw.write_report(denoiser).read_text(encoding="utf-8")
    assert "As given, the result, the truth" in text and "held-out images: as given" in text
    assert "PSNR (dB)" in text


def test_a_doctor_sees_a_restorer(denoiser: Path) -> None:
    found = Patient.of(read_run(denoiser)).logits
    assert found is not None and found.n > 1 and not found.augments


def test_no_restorer_is_told_that_its_samples_are_noise(denoiser: Path) -> None:
    done = read_run(denoiser).of("done")
    assert done and "warning" not in done[-1]


def test_progress_shows_the_error_by_its_name(denoiser: Path) -> None:
    generator = gw.load(denoiser).generator
    trainer = SimpleNamespace(
        recipe=SimpleNamespace(train=SimpleNamespace(kimg=1, minutes=None)),
        average=SimpleNamespace(network=generator),
    )
    event = {"kimg": 0.1, "seen": 100, "seconds": 1.0, "nll": 0.25}
    said = facts(event, trainer)  # type: ignore[arg-type]
    assert "L1  0.250" in said and "log p" not in said


def test_the_run_folder_says_what_the_model_is_for(denoiser: Path) -> None:
    facts = json.loads((denoiser / "model" / "model.json").read_text())
    assert facts["net"]["generator"]["task"] == "denoise"
    assert list((denoiser / "samples").glob("*.png"))


def test_pictures_larger_than_the_crop_are_cut_at_their_own_scale(
    tmp_path: Path, capsys: Capture
) -> None:
    for i in range(12):
        Image.fromarray(picture(300, 280, 3, seed=i)).save(tmp_path / f"{i}.bmp")
    small = [a for key, value in TINY.items() for a in ("--set", f"{key}={value}")]
    run = ["train", str(tmp_path), "--task", "denoise", "--dry-run", "--kimg", "1", *small]
    assert command(run) == 0
    told = capsys.readouterr()
    assert "the middle 256×256 pixels of each picture, at its own scale" in told.err
    assert 'fit = "cut"' in told.out and "crop = 64" in told.out


def test_transparency_is_left_out_of_what_is_learned(tmp_path: Path) -> None:
    for i in range(30):
        Image.fromarray(picture(16, 16, 4, seed=i)).save(tmp_path / f"{i}.png")
    run = gw.train(tmp_path, task="denoise", out=tmp_path / "run", kimg=0.02, settings=TINY)
    assert "warning" not in run.log[-1]  # how long training takes is known of new samples only
    assert run.model.spec.shape == (3, 16, 16)


# --- messages ------------------------------------------------------------------------------------


def refused(arguments: list[str], capsys: Capture) -> str:
    assert command(arguments) == 2
    (line,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("ganwright: error")
    ]
    return line


def test_wrong_use_is_one_line(
    denoiser: Path, filler: Path, digits_run: Any, tmp_path: Path, capsys: Capture
) -> None:
    Image.fromarray(picture(10, 12, 3)).save(tmp_path / "a.png")
    Image.fromarray(picture(5, 6)).save(tmp_path / "small.png")
    one, out = str(tmp_path / "a.png"), ["--out", str(tmp_path / "out")]
    cases = {
        "train_task": (["train", "digits", "--task", "denois"], "Did you mean 'denoise'?"),
        "with_recipe": (["train", "digits", "--task", "denoise", "--recipe", "mlp"], "--recipe"),
        "no_colour": (["train", "digits", "--task", "colourise", *out], "needs colour"),
        "augmented": (
            ["train", "digits", "--task", "denoise", "--set", "game.augment.mode=scheduled", *out],
            "game.augment",
        ),
        "detected": (["detect", str(denoiser), one], "ganwright restore RUN"),
        "grown": (["augment", str(denoiser), one, "-n", "3", *out], "ganwright restore RUN"),
        "sampled": (["sample", str(denoiser), *out], "ganwright restore RUN"),
        "no_mask": (["restore", str(filler), one, *out], "name a mask"),
        "other_size": (
            ["restore", str(filler), one, "--mask", str(tmp_path / "small.png"), *out],
            "small.png' is 5×6, the picture 'a.png' 10×12",
        ),
        "no_such_mask": (
            ["restore", str(filler), one, "--mask", str(tmp_path / "m"), *out], "does not exist",
        ),
        "scale": (["restore", str(denoiser), one, "--scale", "2", *out], "only upscale"),
        "draws": (["restore", str(denoiser), one, "--draws", "0", *out], "--draws: 1"),
        "nothing": (["restore", str(denoiser), str(tmp_path / "x"), *out], "does not exist"),
        "generator": (["restore", str(digits_run), one, *out], "--task denoise"),
        "full": (
            ["restore", str(denoiser), one, "--out", str(tmp_path)], "not an empty folder",
        ),
    }  # fmt: skip
    cases["a file"] = (
        ["restore", str(denoiser), one, "--out", str(tmp_path / "b.png")],
        "named like a file",
    )
    for name, (arguments, said) in cases.items():
        assert said in refused(arguments, capsys), name
    assert not (tmp_path / "out").exists()


def test_colour_for_a_model_of_grey_is_refused_before_any_work(
    tmp_path: Path, capsys: Capture
) -> None:
    gw.train("digits", task="denoise", out=tmp_path / "run", kimg=0.02, settings=TINY)
    Image.fromarray(picture(10, 12, 3)).save(tmp_path / "a.png")
    arguments = ["restore", str(tmp_path / "run"), str(tmp_path / "a.png")]
    said = refused([*arguments, "--out", str(tmp_path / "out")], capsys)
    assert "'a.png' is in colour" in said and "grey" in said
    with pytest.raises(GanwrightError, match="in colour"):
        gw.restore(tmp_path / "run", picture(8, 8, 3))
    grey = picture(10, 12, 1)  # which may be stored in colour
    alone = gw.restore(tmp_path / "run", grey)
    stored = gw.restore(tmp_path / "run", np.repeat(grey, 3, 2))
    np.testing.assert_array_equal(stored, np.repeat(alone.reshape(10, 12, 1), 3, 2))
    Image.fromarray(np.repeat(grey, 3, 2)).save(tmp_path / "a.png")
    assert command([*arguments, "--out", str(tmp_path / "grey")]) == 0


def test_tables_are_not_repaired(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--task"):
        gw.train(_table(tmp_path), task="denoise", out=tmp_path / "run")


def _table(folder: Path) -> Path:
    path = folder / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i % 3}\n" for i in range(60)))
    return path


def test_the_artefact_alone_is_enough(denoiser: Path, tmp_path: Path) -> None:
    model = Model.load(denoiser / "model")
    assert gw.restore(model, picture(8, 9, 3)).shape == (8, 9, 3)
    assert "restorer generator" in model._repr_html_()
