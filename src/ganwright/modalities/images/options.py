"""The options of opening images."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ganwright.base.options import Field, options

LARGEST_SIDE = 4096


def _read_size(value: Any) -> Any:
    """64, "64" and "64x96" as (height, width); anything else goes through unread."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, str) and (
        found := re.fullmatch(r"\s*(\d+)\s*(?:[x×]\s*(\d+))?\s*", value)
    ):
        height, width = found[1], found[2] or found[1]
        return (int(height), int(width))
    if isinstance(value, str):
        raise ValueError("should read 64 or 64x96 (height x width)")
    return value


Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Size = Annotated[tuple[Side, Side] | None, BeforeValidator(_read_size)]


@options
class ImageOptions:
    """How images are opened. What is None is derived from the data (and said in `Dataset.notes`)."""

    size: Size = Field(
        default=None,
        description="Height and width of an image: 64 or 64x96. None: derived from the data.",
    )
    fit: Literal["crop", "pad", "stretch"] = Field(
        default="crop",
        description="How images are resized: crop covers the size and cuts equally on both sides, "
        "pad fits inside and fills the rest, stretch ignores the aspect.",
    )
    channels: Literal[1, 2, 3, 4] | None = Field(
        default=None,
        description="1 grey, 2 grey+alpha, 3 RGB, 4 RGB+alpha. None: the fewest that lose nothing.",
    )
    label: str | None = Field(
        default=None,
        description="The column of labels in a CSV that lists images, or in a metadata.csv "
        "beside them. None: one named label, class or category.",
    )
    identity: bool = Field(
        default=False,
        description="The labels (or folders) are identities, of persons say: all images of one are "
        "trained on or held out together, the model learns no classes, and cards say how near its "
        "samples come to identities it was trained on.",
    )


Options = ImageOptions
