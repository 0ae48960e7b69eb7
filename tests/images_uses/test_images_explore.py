"""Looking into a model of images: latents, directions, inversion, the verb, bad input."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganwright as gw
from ganwright.cli.app import run as command
from ganwright.game import LatentOptions
from ganwright.modalities.images.invert import invert
from ganwright.nets.directions import pca, sefa
from ganwright.nets.layers import Generator

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --- latents --------------------------------------------------------------------------------------


def test_between_two_latents_lies_a_great_circle_or_a_line() -> None:
    shares = torch.linspace(0, 1, 5)
    for kind, is_round in (("normal", True), ("hypersphere", True), ("uniform", False)):
        latent = LatentOptions(kind=kind, dim=32)
        a, b = latent.draw(0, 0, 3), latent.draw(1, 0, 3)
        way = latent.between(a, b, shares)
        assert way.shape == (3, 5, 32)
        torch.testing.assert_close(way[:, 0], a)
        torch.testing.assert_close(way[:, -1], b)
        half = (a + b) / 2
        if is_round:  # the bisector of the angle, stretched
            cosine = torch.cosine_similarity(a, b)
            half = half / torch.cos(torch.arccos(cosine) / 2)[:, None]
        torch.testing.assert_close(way[:, 2], half, atol=1e-5, rtol=1e-4)
    sphere = LatentOptions(kind="hypersphere", dim=32)
    way = sphere.between(sphere.draw(0, 0, 3), sphere.draw(1, 0, 3), shares)
    torch.testing.assert_close(way.norm(dim=2), torch.full((3, 5), 32**0.5), atol=1e-4, rtol=1e-4)
    same = sphere.draw(0, 0, 1)
    torch.testing.assert_close(sphere.between(same, same, shares)[0], same.expand(5, -1))


class Stretching(Generator):
    """Its first layer stretches coordinate i by `lengths[i]`; three layers, tanh between them."""

    def __init__(self, lengths: list[float]) -> None:
        super().__init__()
        n = len(lengths)
        self.layers = torch.nn.Sequential(
            *(torch.nn.Linear(n, n, bias=False) for _ in range(2)),
            torch.nn.Tanh(),
            torch.nn.Linear(n, n, bias=False),
        )
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, torch.nn.Linear):
                    layer.weight.copy_(torch.eye(n))
            self.layers[0].weight.copy_(torch.diag(torch.tensor(lengths)))

    def forward(self, z: torch.Tensor, labels: Any = None) -> torch.Tensor:
        made: torch.Tensor = self.layers(z)
        return made


def test_both_methods_find_the_directions_that_a_net_stretches_most() -> None:
    net = Stretching([0.1, 0.4, 0.2, 0.3])
    z = LatentOptions(dim=4).draw(0, 0, 2000)
    found, shares = sefa(net, z, None, 2)
    torch.testing.assert_close(found, torch.eye(4)[[1, 3]], atol=1e-5, rtol=0)
    torch.testing.assert_close(shares, torch.tensor([0.16, 0.09]) / 0.3)
    found, shares = pca(net, z, None, 2)
    assert (found @ torch.eye(4)[[1, 3]].T - torch.eye(2)).abs().max() < 0.12
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    assert 1 > shares[0] > shares[1] > 0


def test_samples_from_own_latents_are_those_of_the_seed(digits_run: Path) -> None:
    from ganwright.base import seeds

    model = gw.load(digits_run)
    latents = model.net.latent.draw(seeds.derive(0, "sample", "latent"), 0, 64)
    np.testing.assert_array_equal(model.generate(latents), model.sample(64, seed=0))
    assert model.generate(latents[:3], label="7").shape == (3, 8, 8, 1)
    with pytest.raises(
        gw.GanwrightError, match=r"latents: must be \(n, \d+\), n ≥ 1; got \(3, 2\)"
    ):
        model.generate(latents[:3, :2])


# --- inversion ------------------------------------------------------------------------------------


def test_a_sample_s_latent_is_found_again_and_its_error_is_what_it_says(digits_run: Path) -> None:
    model = gw.load(digits_run)
    with torch.no_grad():
        z, labels = model.net.latent.draw(5, 0, 2), torch.tensor([3, 8])
        images = model.generator(z, labels)
    found = invert(model, images, labels=labels, steps=100)
    assert found.error.max() < 0.03 and (found.error < found.at_start / 2).all()
    assert found.labels is not None and found.labels.tolist() == [3, 8]
    off = (found.made - images).square().flatten(1).mean(1).sqrt() / 2
    torch.testing.assert_close(off, found.error)
    torch.testing.assert_close(found.errors.min(1).values, found.error)
    again = invert(model, images, labels=labels, steps=100)
    assert torch.equal(found.latents, again.latents)


def test_the_hidden_half_of_an_image_is_found_by_the_other(digits_run: Path) -> None:
    model = gw.load(digits_run)
    z, labels = model.net.latent.draw(6, 0, 1), torch.tensor([2])
    with torch.no_grad():
        image = model.generator(z, labels)
    given = invert(
        model, image[..., :4], labels=labels, seen=lambda x: x[..., :4], begin=z[None], steps=5
    )
    assert given.error[0] < 1e-6 and given.errors.shape == (1, 9)  # the start that was given
    torch.testing.assert_close(given.made, image)


# --- the verb -------------------------------------------------------------------------------------


def test_the_verb_writes_pictures_a_film_and_a_page(digits_run: Path, capsys: Capture) -> None:
    for i, image in enumerate(gw.open_data("digits")[i] for i in range(2)):
        Image.fromarray(image[:, :, 0]).save(f"{i}.png")
    line = ["explore", str(digits_run), "--out", "seen", "--invert", "0.png", "--invert", "1.png"]
    assert command(line) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{Path('seen/index.html')}\n"
    assert "0.png: found as class" in captured.err and "nearest training image 0." in captured.err
    names = {path.name for path in Path("seen").iterdir()}
    usual = (
        "interpolation",
        "corners",
        "classes",
        "truncation",
        "directions-pca",
        "directions-sefa",
    )
    own = ("inverted-1", "inverted-2", "between", "nearest")
    assert names == {f"{name}.png" for name in (*usual, *own)} | {"walk.webp", "index.html"}
    with Image.open("seen/walk.webp") as film:
        assert film.n_frames == 60  # type: ignore[attr-defined]
    page = Path("seen/index.html").read_text(encoding="utf-8")
    assert page.count("<img ") == len(names) - 1 and "http" not in page.split("</style>")[1]


def test_it_is_the_same_in_python_without_classes_and_without_the_data(tiny: Any) -> None:
    settings = {"data.labels": False, "latent.kind": "uniform"}
    made = tiny.run(Path("run"), "mlp", kimg=0.05, settings=settings)
    seen = gw.explore(made.model)  # a model without its run knows no data
    titles = [view.title for view in seen.views]
    assert "Class by latent" not in titles and "Nearest training images" not in titles
    assert "straight line" in seen.views[0].says and seen.path is None
    with Image.open(io.BytesIO(seen.views[0].files["interpolation.png"])) as picture:
        assert picture.mode == "L"
    again = gw.explore(made.model)
    assert [view.files for view in again.views] == [view.files for view in seen.views]


def test_wrong_input_is_one_line(digits_run: Path, capsys: Capture) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).save(
        "colour.png"
    )
    Path("broken.png").write_bytes(b"no picture")
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine", encoding="utf-8")
    told = {
        ("--invert", "nowhere.png"): "--invert: 'nowhere.png' is no file; name an image",
        ("--invert", "broken.png"): "--invert: 'broken.png' can't be read as a picture",
        (
            "--invert",
            "colour.png",
        ): "--invert: 'colour.png' is in colour; the model makes images of 8×8 grey",
        ("--out", "full"): "--out: 'full' exists and is not an empty folder",
    }
    for arguments, text in told.items():
        assert command(["explore", str(digits_run), *arguments]) == 2
        assert text in capsys.readouterr().err
    assert sorted(p.name for p in Path("full").iterdir()) == ["mine.txt"]
    assert not list(Path().glob("*-explored"))


def test_a_kind_without_the_part_says_so(tiny: Any, capsys: Capture) -> None:
    rows = "".join(f"{i % 7},{i % 3}\n" for i in range(300))
    Path("t.csv").write_text("a,b\n" + rows, encoding="utf-8")
    gw.train("t.csv", out="rows", kimg=0.2, settings={"train.batch": 16}, progress=False)
    assert command(["explore", "rows"]) == 2
    assert "explore: there is no exploring of" in capsys.readouterr().err
