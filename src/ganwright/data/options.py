"""The options of opening data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from ganwright.base.modality import modalities
from ganwright.base.options import Field, Grouped, grouped

AUTO = "auto"


def _known(form: str) -> str:
    if form not in (allowed := (AUTO, *modalities())):
        raise ValueError(f"should be one of {', '.join(allowed)}")
    return form


@grouped("options")
class DataOptions(Grouped):
    """How data is opened, with a group for each modality: `image`, `table`, `counts`, `series`."""

    labels: bool = Field(default=True, description="Use the labels if the data has them.")
    holdout: float = Field(
        default=0.2,
        ge=0,
        lt=0.5,
        description="Share held out from training, chosen by content; unused where the data "
        "has its own test part.",
    )
    bad: Literal["skip", "refuse"] = Field(
        default="skip", description="What to do with examples that can't be read."
    )
    form: Annotated[str, AfterValidator(_known)] = Field(
        default=AUTO,
        description="The modality of the data. auto: by what it looks like; a CSV or a frame is read "
        "as counts if 50 columns or more are whole numbers, half of them 0, as series if a column of "
        "dates increases by steady steps and the rest are numbers, else as a table.",
    )
