"""Typed options: frozen dataclasses that check themselves, read and written as TOML.

A part's options stand next to the part. Here is only what they share: the decorator, building
from a tree of plain values, overriding by dotted path, TOML there and back.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from typing import (
    Annotated,
    Any,
    ClassVar,
    Self,
    TypeVar,
    dataclass_transform,
    get_args,
    get_type_hints,
)

import tomlkit
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import ArgsKwargs

from ganwright.base.errors import OptionError, message
from ganwright.base.modality import PACKAGES, parts

__all__ = [
    "Field", "Grouped", "Words", "build", "by_commas", "flatten", "from_toml", "grouped", "in_full",
    "options", "override", "parse", "to_toml", "written",
]  # fmt: skip

T = TypeVar("T")
Tree = dict[str, Any]
NONE = "none"  # TOML has no null; this word stands in for it


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def options(cls: type[T]) -> type[T]:
    """Makes a class a frozen, keyword-only dataclass whose values are checked when it is built."""
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if NONE in get_args(hint):  # here the word is an ordinary choice: norm = "none"
            cls.__annotations__[name] = Annotated[hint, BeforeValidator(_as_word)]
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    return pydantic_dataclass(cls, frozen=True, kw_only=True, config=config)  # type: ignore[return-value]


class Grouped:
    """Options with a group of their own for each modality, under its name."""

    groups: ClassVar[dict[str, type]] = {}

    def of(self, group: type[T]) -> T:
        """The group of that class."""
        return next(one for name in self.groups if isinstance(one := getattr(self, name), group))

    def having(self, group: object) -> Self:
        """A copy with that group in the place of the one of its class."""
        name = next(name for name, cls in self.groups.items() if isinstance(group, cls))
        return dataclasses.replace(self, **{name: group})  # type: ignore[type-var]

    @classmethod
    def owner(cls, name: str) -> str | None:
        """The one group of our own modalities that has an option of that name, if exactly one has.

        Other packages don't count, nor groups that say `in_full`: they came later, and must not break
        old recipes.
        """
        own = (
            (g, one)
            for g, one in cls.groups.items()
            if g in PACKAGES and not getattr(one, "in_full", False)
        )
        having = [g for g, one in own if name in one.__pydantic_fields__]  # type: ignore[attr-defined]
        return having[0] if len(having) == 1 else None

    @model_validator(mode="before")
    @classmethod
    def _in_groups(cls, given: Any) -> Any:
        """Options that only one group has may be given without it: ``size`` for ``image.size``."""
        if isinstance(given, ArgsKwargs):
            return ArgsKwargs(given.args, cls._moved(given.kwargs or {}))
        return cls._moved(given) if isinstance(given, Mapping) else given

    @classmethod
    def _moved(cls, given: Mapping[str, Any]) -> Tree:
        fields = cls.__pydantic_fields__  # type: ignore[attr-defined]
        moved = {n: g for n in given if n not in fields and (g := cls.owner(n)) is not None}
        found = {name: value for name, value in given.items() if name not in moved}
        for name, group in moved.items():
            found[group] = tree(found.get(group, {})) | {name: given[name]}
        return found


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def grouped(part: str) -> Callable[[type[T]], type[T]]:
    """As `options`, for a `Grouped` class: with the `Options` of every modality that has the part."""

    def make(cls: type[T]) -> type[T]:
        groups = {name: module.Options for name, module in parts(part).items()}
        cls.groups = groups  # type: ignore[attr-defined]
        for name, group in groups.items():
            cls.__annotations__[name] = group
            setattr(cls, name, group())
        return options(cls)

    return make


def _as_word(value: Any) -> Any:
    return NONE if value is None else value


def by_commas(value: Any) -> Any:
    """ "a, b" as ("a", "b"), for options that are lists of words; anything else passes unchanged."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(by_commas)]


def tree(value: Any) -> Any:
    """Options as nested dicts of plain values."""
    if dataclasses.is_dataclass(value):
        return {f.name: tree(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [tree(item) for item in value]
    return value


def flatten(value: Any, prefix: str = "") -> Tree:
    """Options as one dict from dotted path to plain value."""
    flat: Tree = {}
    for name, item in (value if isinstance(value, dict) else tree(value)).items():
        if isinstance(item, dict):
            flat |= flatten(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = item
    return flat


def build(cls: type[T], values: Mapping[str, Any], *, owner: str = "") -> T:
    """An instance of `cls` from plain values.

    Raises OptionError, with `owner` in front, naming the option, what is allowed and what was
    given.
    """
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise OptionError(_explain(first, values, owner)) from None


def _explain(first: Any, values: Mapping[str, Any], owner: str) -> str:
    # Within a choice by `kind`, pydantic puts the kind itself into the path: leave it out.
    path: list[str] = []
    node: Any = values
    for part in first["loc"]:
        if isinstance(node, Mapping) and part not in node and node.get("kind") == part:
            continue
        path.append(str(part))
        node = node.get(part) if isinstance(node, Mapping) else None
    name = ".".join(path)
    got, context = first["input"], first.get("ctx", {})
    if first["type"] in ("union_tag_invalid", "literal_error"):
        if first["type"] == "union_tag_invalid":
            got, name = context["tag"], f"{name}.kind"
            allowed = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
        else:
            allowed = [
                tag.strip("' ") for tag in context["expected"].replace(" or ", ", ").split(",")
            ]
        return message(owner, f"{name} can't be {got!r}", allowed=allowed, got=got)
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return message(owner, f"unknown option '{name}'")
    if first["type"] == "missing":
        return message(owner, f"{name} is missing")
    text = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return message(owner, f"{name} {text}; got {got!r}")


def override(value: T, settings: Mapping[str, Any], *, owner: str = "--set") -> T:
    """A copy of options with some values changed, each named by its dotted path.

    Setting a ``….kind`` to another kind starts that part from the new kind's defaults. Raises
    OptionError for an unknown path (naming the nearest) or a value that is not allowed.
    """
    settings = {in_full(value, key): item for key, item in settings.items()}
    nested: Tree = tree(value)
    kinds = {key: item for key, item in settings.items() if key.split(".")[-1] == "kind"}
    if kinds:
        for key, kind in kinds.items():
            parent, name = _find(nested, key.rpartition(".")[0], owner, key)
            if not isinstance(parent[name], dict) or "kind" not in parent[name]:
                raise OptionError(message(owner, f"unknown option '{key}'"))
            if parent[name]["kind"] != kind:
                parent[name] = {"kind": kind}
        value = build(type(value), nested, owner=owner)
        nested = tree(value)
    for key, item in settings.items():
        if key in kinds:
            continue
        parent, name = _find(nested, key, owner, key)
        if isinstance(parent[name], dict):
            inner = [f"{key}.{sub}" for sub in flatten(parent[name])]
            raise OptionError(message(owner, f"'{key}' is a group of options", allowed=inner))
        parent[name] = item
    return build(type(value), nested, owner=owner)


def in_full(value: Any, key: str) -> str:
    """The path with omitted groups filled in, where only one group has the option."""
    path: list[str] = []
    for part in key.split("."):
        owner = (
            None if hasattr(value, part) or not isinstance(value, Grouped) else value.owner(part)
        )
        if owner is not None:
            path.append(owner)
            value = getattr(value, owner)
        path.append(part)
        value = getattr(value, part, None)
    return ".".join(path)


def _find(nested: Tree, path: str, owner: str, key: str) -> tuple[Tree, str]:
    *parents, name = path.split(".")
    node: Any = nested
    for part in parents:
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict) or name not in node:
        every = list(flatten(nested))
        near = [path for path in every if parents and path.startswith(f"{parents[0]}.")]
        allowed = near or every
        raise OptionError(message(owner, f"unknown option '{key}'", allowed=allowed, got=key))
    return node, name


def parse(text: str, *, owner: str = "--set") -> tuple[str, Any]:
    """Splits ``key.path=value``; the value is read as TOML where it is TOML, else as a string.

    >>> parse("game.loss=hinge"), parse("train.batch=64"), parse("data.size=none")
    (('game.loss', 'hinge'), ('train.batch', 64), ('data.size', None))
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise OptionError(message(owner, f"must read key.path=value; got {text!r}"))
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        read = value.strip()
    return key.strip(), None if read == NONE else read


def written(key: str, value: Any) -> str:
    """``key=value`` that `parse` reads back to the same.

    >>> written("game.gamma.auto", True), written("data.size", None), written("train.batch", 64)
    ('game.gamma.auto=true', 'data.size=none', 'train.batch=64')
    """
    item = NONE if value is None else value
    return f"{key}={item if isinstance(item, str) else tomlkit.item(tree(item)).as_string()}"


def to_toml(value: Any, *, heading: str = "") -> str:
    """Options as TOML text that `from_toml` reads back to an equal value."""

    def fill(table: Any, node: Tree) -> None:
        for name, item in node.items():
            if isinstance(item, dict):
                fill(table.setdefault(name, tomlkit.table()), item)
            else:
                table[name] = NONE if item is None else item

    document = tomlkit.document()
    for line in heading.splitlines():
        document.add(tomlkit.comment(line))
    fill(document, tree(value))
    return tomlkit.dumps(document)


def from_toml(cls: type[T], text: str, *, owner: str) -> T:
    """Reads what `to_toml` wrote. Raises OptionError, with `owner` in front."""

    def read(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: read(item) for name, item in node.items()}
        return None if node == NONE else node

    try:
        return build(cls, read(tomllib.loads(text)), owner=owner)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(message(owner, f"not TOML: {error}")) from None
