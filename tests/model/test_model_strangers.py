"""Model files from strangers: only ModelError comes out, and before memory is taken."""

from __future__ import annotations

import copy
import json
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from ganwright.base.errors import ModelError
from ganwright.model import Model


@pytest.fixture
def artefact(digits_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(digits_run / "model", tmp_path / "model"))


def facts(artefact: Path) -> Any:
    return json.loads((artefact / "model.json").read_text())


def rewrite(artefact: Path, tree: Any) -> None:
    (artefact / "model.json").write_text(json.dumps(tree))


def put(tree: Any, path: str, value: Any) -> Any:
    *parents, name = path.split(".")
    node = tree
    for part in parents:
        node = node[part]
    node[name] = value
    return tree


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def refused(artefact: Path, words: str | None = None) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        Model.load(artefact)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "holds no model: there is no model.json in it")
    refused(tmp_path, "holds no model")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not readable"),
        (b"{", "is not readable"),
        (b"\xff\xfe", "is not readable"),
        (b"[" * 100_000, "is not readable"),
        (b"[]", "is not a Ganwright model: 'format'"),
        (b"null", "is not a Ganwright model"),
        (b'{"format": "other"}', "is not a Ganwright model"),
        (b'{"format": "ganwright-model"}', "has version None"),
        (b'{"format": "ganwright-model", "version": 2}', "has version 2; this Ganwright reads ver"),
        (b'{"format": "ganwright-model", "version": 1}', "'spec' is missing or not readable"),
    ],
    ids=lambda x: str(x)[:30],
)
def test_other_json(artefact: Path, content: bytes, words: str) -> None:
    (artefact / "model.json").write_bytes(content)
    refused(artefact, words)


def test_a_huge_json_is_not_read(artefact: Path) -> None:
    with (artefact / "model.json").open("wb") as file:
        file.truncate(2**40)  # sparse: a terabyte that takes no disk
    refused(artefact, "not a Ganwright model")


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise", "pickle", "header"])
def test_damaged_weights(artefact: Path, damage: str) -> None:
    path = artefact / "model.safetensors"
    content = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[:-1])
        case "noise":
            path.write_bytes(bytes(range(256)) * 64)
        case "pickle":
            path.write_bytes(b"\x80\x04\x95" + content)
        case "header":
            path.write_bytes(b"\xff" * 8 + content[8:])
    refused(artefact, "is missing" if damage == "missing" else "is damaged")


def test_tensors_that_do_not_fit(artefact: Path) -> None:
    path = artefact / "model.safetensors"
    good = load_file(path)
    name = next(iter(good))

    def other(words: str, **changed: torch.Tensor | None) -> None:
        tensors = {k: t for k, t in (good | changed).items() if t is not None}
        save_file(tensors, path)
        refused(artefact, words)

    other(f"'{name}' is in only one of them", **{name: None})
    other("'zzz' is in only one of them", zzz=torch.zeros(1))
    other(f"'{name}' has shape", **{name: torch.zeros(3, 3)})
    other(f"'{name}' has type F64", **{name: good[name].double()})
    other(f"'{name}' has type BOOL", **{name: good[name].bool()})
    save_file(good, path)
    Model.load(artefact).sample(1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("net.generator.width", 65536),
        ("net.generator.width", 4096),
        ("net.discriminator.width", 4096),
        ("net.latent.dim", 65536),
        ("net.latent.dim", 10**30),
        ("net.generator", {"kind": "mlp", "widths": [65536] * 256}),
        ("net.generator", {"kind": "mlp", "widths": [65536] * 100_000}),
        ("net.generator", {"kind": "latent-skip", "width": 65536, "depth": 1024}),
        ("net.discriminator", {"kind": "mlp", "widths": [65536] * 16, "norm": "spectral"}),
        ("net.discriminator", {"kind": "r3gan", "widths": [65536], "blocks": [1]}),
        ("net.generator", {"kind": "r3gan", "blocks": [65536]}),
        ("net.generator", {"kind": "r3gan", "widths": [4096], "blocks": [64]}),
        ("spec.shape", [1, 65536, 65536]),
        ("spec.shape", [65536, 65536, 65536]),
        ("spec.shape", [1, 8, 2**70]),
        ("codec.height", 65536),
        ("codec.channels", 4),
        ("spec.classes", ["x"] * 1_000_000),
        ("data.class_counts", [1] * 1_000_000),
    ],
    ids=lambda x: str(x)[:40],
)
def test_absurd_sizes_take_no_memory(artefact: Path, path: str, value: Any) -> None:
    rewrite(artefact, put(facts(artefact), path, value))
    before = peak_mib()
    refused(artefact)
    assert peak_mib() - before < 256


def test_absurd_sizes_that_agree_take_no_memory(artefact: Path) -> None:
    tree = facts(artefact)
    for shape in ([4, 65536, 65536], [1, 65536, 4]):
        put(tree, "spec.shape", shape)
        tree["codec"] |= dict(zip(("channels", "height", "width"), shape, strict=True))
        for generator in (tree["net"]["generator"], {"kind": "mlp", "widths": [65536]}):
            rewrite(artefact, put(copy.deepcopy(tree), "net.generator", generator))
            refused(artefact)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(item, (*path, key))


ODD = st.recursive(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            1,
            2**63,
            -(2**70),
            10**400,
            0.5,
            1e308,
            "",
            "8",
            "none",
            "dcgan",
        ]
    )
    | st.floats()
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_only_model_errors_come_out(artefact: Path, data: st.DataObject) -> None:
    source = artefact.parent / "facts.json"
    if not source.exists():
        shutil.copy(artefact / "model.json", source)
    tree = json.loads(source.read_text())
    paths = [p for p in leaves(tree) if p and p[0] != "recipe"]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(paths))
        node = tree
        try:
            for key in path[:-1]:
                node = node[key]
            if data.draw(st.booleans()):
                node[path[-1]] = data.draw(ODD)
            else:
                del node[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # another change was there first
    rewrite(artefact, tree)
    try:
        model = Model.load(artefact)
    except ModelError as error:
        assert "\n" not in str(error)
    else:
        assert model.sample(2).shape == (2, 8, 8, 1)
