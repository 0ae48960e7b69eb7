"""The registry of modalities: name → package, whose parts are loaded on first use.

A modality is a kind of data: sounds, images, tables, texts, counts. The core never imports one; it asks
for a part by name, and the package that asks defines, as a protocol, what it expects of that part.

| part | what it holds | who asks |
|---|---|---|
| `options` | optional: `Options`, how its data is opened, the group `data.<name>` | data |
| `find` | `find(given, options)`: is that path, name or object yours? | data |
| `dataset` | `dataset(source, options)`: read, split, and with a codec | data |
| `inspect` | `inspect(source, options)`: what is in it | data |
| `codec` | `CODEC`: its class; stored examples ↔ what the nets see | data |
| `writers` | `WRITERS` and `format_for`: samples to files | data |
| `nets` | optional: `GENERATORS`, `DISCRIMINATORS`, options that build nets | model |
| `recipes` | `RECIPES`, and `choose`: which suits this data | train |
| `expect` | optional: `levels`, `variants`: what training was measured to reach, in which sizes | train |
| `augment` | optional: `Options`, `Views`, what D sees of few examples | train |
| `features` | `EXTRACTORS`, and `usual`: what examples are to a measure | evaluate |
| `judge` | `baseline`, `OTHERS`, `plain`, `fits` | evaluate |
| `measures` | optional: `MEASURES` of its own, `UNFIT` general ones | evaluate |
| `tasks` | optional: `measures` and `baselines` of models with a task | evaluate |
| `look` | optional: `LOOK`, what its reports show; `OF_TASKS` beside `tasks` | report |
| `grow` | optional: `growth`, `default_out`, data with new examples added | uses |
| `detect` | optional: `read`, `detector`, `look`, `reasons`, which examples are odd and why | uses |
| `explore` | optional: `read`, `views`, what a model's latent means | uses |
| `restore` | optional: `check`, `read`, `repair`, `arrays`, damaged examples repaired | uses |
| `translate` | optional: `check`, `translation`, `read`, `arrays`, examples made another kind | uses |
| `forecast` | optional: `futures`, `write`, how given series go on | uses |

A package from elsewhere joins by an entry point in the group `ganwright.modalities`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import ModuleType

from ganwright.base.errors import ModelError, WorkError
from ganwright.base.names import Names

GROUP = "ganwright.modalities"
# In the order in which they are asked whether they can read given data.
PACKAGES = {
    "audio": "ganwright.modalities.audio",
    "image": "ganwright.modalities.images",
    "series": "ganwright.modalities.series",
    "text": "ganwright.modalities.text",
    "counts": "ganwright.modalities.counts",
    "table": "ganwright.modalities.tables",
}


class Modality:
    """One kind of data, known by the name that its codec has in `model.json`."""

    def __init__(self, name: str, package: str) -> None:
        self.name, self.package = name, package

    def __repr__(self) -> str:
        return f"Modality({self.name!r}, {self.package!r})"

    def part(self, name: str) -> ModuleType:
        """The module `name` of its package, imported now if it was not before.

        Raises WorkError where a package from elsewhere can't be imported.
        """
        with _blamed(self):
            return import_module(f"{self.package}.{name}")

    def has(self, name: str) -> bool:
        """Whether it has such a part; nothing is imported but its package."""
        with _blamed(self):
            return find_spec(f"{self.package}.{name}") is not None


@contextmanager
def _blamed(one: Modality) -> Iterator[None]:
    """What a package from elsewhere raises when it is imported is told in one line that names it."""
    try:
        yield
    except Exception as error:
        if PACKAGES.get(one.name) == one.package:
            raise
        raise WorkError(
            f"the modality '{one.name}' of the installed package '{one.package}' can't be loaded "
            f"({type(error).__name__}: {error}); update or uninstall it"
        ) from error


@cache
def modalities() -> Names[Modality]:
    """All modalities by name: our own, and those of packages installed beside, under other names."""
    found = {point.name: point.value for point in entry_points(group=GROUP)}
    return Names("modality", {n: Modality(n, p) for n, p in (PACKAGES | found | PACKAGES).items()})


def parts(name: str) -> dict[str, ModuleType]:
    """That part of every modality that has one, by the modality's name."""
    return {own: one.part(name) for own, one in modalities().items() if one.has(name)}


def modality(name: str) -> Modality:
    """The modality of that name. Raises UnknownName."""
    return modalities()[name]


def modality_of_json(tree: object) -> Modality:
    """The modality of a codec's JSON. Raises ModelError for anything else."""
    name = tree.get("kind") if isinstance(tree, dict) else None
    if not isinstance(name, str) or name not in modalities():
        known = ", ".join(modalities())
        raise ModelError(f"model.json: 'codec' has kind {name!r}; known: {known}")
    return modalities()[name]
