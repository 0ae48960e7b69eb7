"""Published weights: found, fetched when asked, checked, and only then read."""

from __future__ import annotations

import hashlib
import shutil
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ganwright.base.errors import ModelError, OptionError, WorkError, message
from ganwright.base.runs import replacing
from ganwright.data.cache import cache_folder
from ganwright.evaluate.weights import fill

__all__ = ["Published", "cache_folder", "fill", "load_weights"]
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Published:
    """A file of weights that the field uses: where it is, and the SHA-256 it must have."""

    url: str
    sha256: str

    @property
    def file(self) -> str:
        return self.url.rpartition("/")[2]


def load_weights(
    name: str, published: Published, path: Path | None = None, *, allow_download: bool = False
) -> dict[str, Tensor]:
    """The tensors of a published file, or of `path`.

    Without `path` the file is taken from the user's cache, and fetched into it only with
    `allow_download`. A .safetensors file can't run code and is read directly: its tensors are
    fingerprinted, so that other weights have another hash. Any other file must have the published
    SHA-256.

    Raises OptionError when there is no file, ModelError when it is another or damaged, WorkError
    when it can't be fetched.
    """
    owner = f"features '{name}'"
    if path is not None:
        path = path.expanduser()
        if not path.is_file():
            raise OptionError(message(owner, f"there is no file of weights '{path}'"))
    else:
        path = cache_folder() / "weights" / published.file
        whole = path.is_file() and _sha256(path) == published.sha256
        if not whole and allow_download:
            _fetch(owner, published, path)
        elif not path.is_file():
            raise OptionError(
                message(
                    owner,
                    f"its weights are not on this machine: allow the download, or fetch "
                    f"{published.url} and name the file",
                )
            )
    if path.suffix == ".safetensors":
        return _read_safetensors(owner, path)
    return _read_published(owner, published, path)


def _fetch(owner: str, published: Published, path: Path) -> None:
    try:
        with (
            replacing(path) as aside,
            urllib.request.urlopen(published.url, timeout=_TIMEOUT_S) as source,
        ):
            with aside.open("wb") as target:
                shutil.copyfileobj(source, target)
            _check(owner, published, aside, shown=published.url)
    except OSError as error:  # includes every network failure
        reason = getattr(error, "reason", None) or error.strerror or error
        raise WorkError(message(owner, f"{published.url} can't be fetched: {reason}")) from None


def _check(owner: str, published: Published, path: Path, shown: str | None = None) -> None:
    found = _sha256(path)
    if found != published.sha256:
        problem = f"'{shown or path}' has SHA-256 {found}, not the published {published.sha256}"
        raise ModelError(message(owner, f"{problem}: it is damaged or another file"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_published(owner: str, published: Published, path: Path) -> dict[str, Tensor]:
    """Reads PyTorch's own format, which is built on pickle.

    Nothing in the file can run: it is the one whose hash we know, and `weights_only` unpickles
    tensors and plain containers and refuses everything else.
    """
    _check(owner, published, path)
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling may raise anything
        first = str(error).partition("\n")[0][:100]
        raise ModelError(message(owner, f"'{path}' can't be read: {first}")) from None
    named = isinstance(tensors, Mapping) and all(isinstance(t, Tensor) for t in tensors.values())
    if not named:
        raise ModelError(message(owner, f"'{path}' contains no named tensors"))
    return dict(tensors)


def _read_safetensors(owner: str, path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(message(owner, f"'{path}' can't be read: {error}")) from None
