"""README and docs: every command is understood, and those that need no data of the reader's run."""

from __future__ import annotations

import ast
import doctest
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import ganwright as gw
from ganwright.base.options import override, parse
from ganwright.cli.app import app, run
from ganwright.train import RECIPES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCE = ROOT / "src"
VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page: Path, program: str) -> Iterator[str]:
    """What the page tells the reader to type, one line each; a shell's variables become 32."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;", line) if "--set '" not in line else [line]:
                text = re.sub(r"^(do|\S*/bin/|[A-Z_]+=\S+)\s*(?=\S)", "", part.strip())
                text = re.sub(r"^\S*/bin/", "", text)
                if text.startswith(f"{program} "):
                    yield re.sub(r"\$\w+", "32", text)


def in_tables(page: Path) -> Iterator[str]:
    for row in re.findall(r"^\|.*\|$", page.read_text(encoding="utf-8"), re.MULTILINE):
        yield from re.findall(r"`(ganwright [^`]+)`", row)


def each(program: str) -> list[Any]:
    found = [(page, line) for page in PAGES for line in commands(page, program)]
    return [pytest.param(line, id=f"{page.stem}: {line[:70]}") for page, line in found]


def understood(line: str) -> None:
    """Fails where a verb, an option, a recipe or the path of a `--set` is unknown."""
    _, verb, *words = shlex.split(line, comments=True)
    options = VERBS[verb].make_context(verb, words).params
    named = str(options.get("recipe") or options.get("name") or options.get("recipes") or "")
    recipes = [name for name in named.split(",") if name and not name.endswith(".toml")]
    for name in recipes:
        assert name in RECIPES or name == "auto", name
    settings = dict(parse(text) for text in options.get("settings") or [])
    tried = [RECIPES[name].make() for name in recipes or RECIPES]
    refused = []
    for recipe in tried:
        try:
            override(recipe, settings)
        except gw.GanwrightError as error:
            refused.append(error)
    if refused and (recipes or len(refused) == len(tried)):
        raise refused[0]


@pytest.mark.parametrize("line", each("ganwright") + list(in_tables(ROOT / "README.md")))
def test_every_command_is_understood(line: str) -> None:
    understood(line)


@pytest.mark.parametrize(
    "line",
    [
        "ganwright trian digits",
        "ganwright train digits --minuets 3",
        "ganwright train digits --recipe dcgna",
        "ganwright train digits --set game.lss=hinge",
        "ganwright compare digits --recipes dcgan,gan",
    ],
)
def test_a_slip_would_be_seen(line: str) -> None:
    with pytest.raises((KeyError, AssertionError, typer.TyperException, gw.GanwrightError)):
        understood(line)


@pytest.mark.parametrize("line", each("python"))
def test_every_benchmark_is_there_with_its_options(line: str) -> None:
    script, *words = shlex.split(line, comments=True)[1:]
    assert (ROOT / script).is_file()
    parts = ROOT.glob(script.replace(".py", "*.py"))  # verbs of their own are files of their own
    code = "".join(part.read_text(encoding="utf-8") for part in parts)
    for word in words:
        if word.startswith("--"):
            assert f'"{word}"' in code, word


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


def shortened(line: str) -> list[str]:
    """The command as the reader types it, with a budget of a blink."""
    words = shlex.split(line, comments=True)[1:]
    if "--minutes" in words:
        at = words.index("--minutes")
        words[at : at + 2] = ["--kimg", "0.05"]
    if words[0] == "evaluate":
        words += ["-n", "20"]
    if words[0] == "train" and "--kimg" not in words:
        words += ["--kimg", "0.05"]
    return words


def readme_block(start: str) -> list[str]:
    (block,) = [b for b in blocks(ROOT / "README.md", "sh") if b.startswith(start)]
    return block.splitlines()


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_for_pictures_run(
    tiny: Any, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = gw.open_data("digits")
    assert data.labels is not None
    for folder in ("photos", "few", "theirs"):
        for i in range(120):
            place = Path(folder, data.spec.classes[data.labels[i]])
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data[i][..., 0]).save(place / f"{i}.png")
    for line in readme_block("ganwright inspect photos/"):
        words = shortened(line)
        if words[0] == "train":
            words += ["--set", "train.batch=16"]
            words += ["--set", "generator.width=8", "--set", "discriminator.width=8"]
        if words[0] == "compare":
            words += ["--set", "train.batch=16", "--features", "pixels"]
        if words[0] == "evaluate":
            words += ["--features", "pixels"]
        assert run(words) == 0, (line, capsys.readouterr().err)


MODULES = [
    ".".join(file.relative_to(SOURCE).with_suffix("").parts)
    for file in sorted(SOURCE.rglob("*.py"))
    if file.stem != "__init__" and ">>>" in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_docstrings(module: str, inside: Path, tiny: Any) -> None:
    failed, tried = doctest.testmod(
        import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert tried and not failed


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_python_blocks_name_what_there_is(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("ganwright"):
                for alias in node.names:
                    assert hasattr(import_module(str(node.module)), alias.name)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id != "gw" or hasattr(gw, node.attr), node.attr


def test_the_readmes_python_runs(tiny: Any, inside: Path) -> None:
    (block,) = [b for b in blocks(ROOT / "README.md", "python") if "gw.train" in b]
    quick = block.replace("minutes=1", 'kimg=0.05, recipe="mlp-small"')
    quick = quick.replace(
        'gw.evaluate("runs/digits")', 'gw.evaluate("runs/digits", n=20, features="pixels")'
    )
    found: dict[str, Any] = {}
    exec(compile(quick, "README.md", "exec"), found)
    assert found["x"].shape == (64, 8, 8, 1) and found["x"].dtype == np.uint8
    assert len(found["sevens"]) == 10
