"""What the nets see of an image."""

from __future__ import annotations

from ganwright.base.spec import Spec

AXES = ("channel", "height", "width")


class ImageSpec(Spec):
    """Of an image: its channels and pixels."""

    things = "pictures"
