"""The shape of the package: who may import whom, light imports, exports, version, no pickle."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ganwright
from ganwright.cli.app import VERBS as MODULES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ganwright"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each line may import those below it; rooms of one line do not know each other.
ORDER = (
    {"cli"},
    {"serve"},
    {"api", "benchmark"},
    {"estimators"},
    {"uses"},
    {"modalities"},
    {"report"},
    {"evaluate", "train"},
    {"model"},
    {"data", "nets", "game"},
    {"base"},
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
EXEMPT = {"__init__", "__main__", "_version"}
HEAVY = {"torch", "numpy", "pydantic", "sklearn", "scipy", "PIL", "safetensors", "pandas"}
VERBS = [verb.NAME for verb in MODULES]
ROOMS = sorted(f.parent.name for f in PACKAGE.glob("*/__init__.py"))


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module imported anywhere in a file, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parse(file: Path) -> ast.AST:
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_rooms_import_only_what_lies_below_them(file: Path) -> None:
    room = room_of(file)
    if room in EXEMPT:
        return
    assert room in LEVEL, f"'{room}' has no place in the dependency rule"
    for name in imported(parse(file)):
        head, *rest = name.split(".")
        if head != "ganwright" or not rest or rest[0] == "_version":
            continue
        other = rest[0]
        assert other in LEVEL, f"{file.name} imports from the package's face: {name}"
        assert other == room or LEVEL[other] > LEVEL[room], f"{room} may not import {name}"
        if other == room == "modalities" and len(rest) > 1:
            own = file.relative_to(PACKAGE).parts[1]
            assert rest[1] == own, f"modalities do not know each other: {own} imports {name}"


# Published weights come as .pth files: read after their hash was checked, with weights_only.
PUBLISHED_WEIGHTS = ("images", "features", "weights.py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_nothing_that_runs_code_from_files_or_that_we_do_without(file: Path) -> None:
    tree = parse(file)
    heads = {name.split(".")[0] for name in imported(tree)}
    assert not heads & {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib"}
    assert not heads & {"torchvision", "torchaudio", "timm"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            forbidden = {("torch", "save"), ("torch", "load")}
            if file.parts[-3:] == PUBLISHED_WEIGHTS:
                forbidden.remove(("torch", "load"))
            assert (node.value.id, node.attr) not in forbidden
        if isinstance(node, ast.keyword) and node.arg == "weights_only":
            assert isinstance(node.value, ast.Constant) and node.value.value is True
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


@pytest.mark.parametrize(
    "code",
    ["import ganwright; dir(ganwright)", "from ganwright.cli.app import run; run(['--help'])"]
    + [f"from ganwright.cli.app import run; run(['{verb}', '-h'])" for verb in VERBS],
)
def test_import_and_help_are_light(code: str) -> None:
    code += "; import sys; print('HEAVY', *sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    modules = set(done.stdout.rpartition("HEAVY ")[2].split())
    assert "ganwright" in modules
    # typer itself looks for pydantic's types where a verb has arguments.
    assert not modules & (HEAVY - {"pydantic"} if "'-h'" in code else HEAVY)


def test_what_the_package_shows_is_its_all() -> None:
    assert dir(ganwright) == sorted(ganwright.__all__)
    for name in ganwright.__all__:
        assert getattr(ganwright, name) is not None


def test_the_package_shows_functions_where_rooms_have_their_name() -> None:
    import_module("ganwright.train")
    import_module("ganwright.train.run")
    assert inspect.isfunction(ganwright.train)
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = ganwright.tarin


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_shows_is_its_all(room: str) -> None:
    module = import_module(f"ganwright.{room}")
    if "__getattr__" in vars(module):  # names are fetched when they are first used
        assert dir(module) == sorted(module.__all__)
        assert all(_is_ours(getattr(module, name)) for name in module.__all__)
        return
    inner = {f.stem for f in (PACKAGE / room).iterdir()}
    visible = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not (inspect.ismodule(value) and name in inner)
    } - {"annotations", "Annotated"}
    if hasattr(module, "__all__"):
        everything = set(module.__all__)
        assert len(everything) == len(module.__all__)
        foreign = {n for n in visible - everything if not _is_ours(getattr(module, n))}
        assert visible - foreign == everything
    else:
        assert not visible


def _is_ours(value: object) -> bool:
    module = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")
    return str(module).startswith("ganwright") and str(module) != "ganwright.base.options"


@pytest.mark.parametrize("name", sorted(set(ganwright.__all__) - {"__version__"}))
def test_every_public_name_is_explained(name: str) -> None:
    value = getattr(ganwright, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert (inspect.getdoc(value) or "").strip()
        assert not str(inspect.getdoc(value)).startswith(f"{name}(")  # a dataclass's own signature


def test_version_is_the_newest_heading_of_the_changelog() -> None:
    path = ROOT / "CHANGELOG.md"
    if not path.is_file():
        pytest.skip("no CHANGELOG.md yet")
    headings = re.findall(r"^## +\[?(\d[^\]\s]*)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == ganwright.__version__


def test_readme_lists_the_recipes() -> None:
    path = ROOT / "README.md"
    if not path.is_file():
        pytest.skip("no README.md yet")
    text = path.read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    found = [t for t in tables if re.match(r"\| *recipe\b", t, re.IGNORECASE)]
    assert found, "README.md has no table that begins with a column 'recipe'"
    listed = re.findall(r"^\| *`([^`]+)`", found[0], re.MULTILINE)
    assert listed == list(ganwright.RECIPES)


@pytest.mark.parametrize(
    ("name", "absent"),
    [("images", {"pyarrow", "pandas", "scipy", "torch"}), ("a.csv", {"PIL", "torch"})],
)
def test_opening_one_modality_loads_no_library_of_another(
    tmp_path: Path, name: str, absent: set[str]
) -> None:
    (tmp_path / "images").mkdir()
    for i in range(4):
        path = tmp_path / "images" / f"{i}.png"
        Image.fromarray(np.full((8, 8), 60 * i, np.uint8)).save(path)
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{i},{i % 3}\n" for i in range(40)))
    code = (
        f"import ganwright as gw; gw.open_data({str(tmp_path / name)!r}); "
        "import sys; print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not absent & set(done.stdout.split())
