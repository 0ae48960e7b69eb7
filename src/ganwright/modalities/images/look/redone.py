"""What reports show of a model with a task: what it is given, what it makes of it, and the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from ganwright.modalities.images.look import gallery
from ganwright.report.facts import Facts, spaced
from ganwright.report.inline import Inline
from ganwright.report.look import Findings, Look, Say, Shown
from ganwright.report.templates import template

TRIPLES, ACROSS = 24, 3  # examples shown, and how many in a row
SIDE = 128  # pixels that small ones are enlarged to, at most


class RedoneLook(Look):
    """Triples of held-out images, in the order of the data."""

    simplest = "the images as they are given, nothing done"
    failures: Mapping[str, str] = {"samples": "held-out images could not be given to the model"}

    def show(self, facts: Facts, found: Findings, say: Say) -> Shown:
        """Triples, and the grids of training."""
        say("giving held-out images to the model")
        triples = found.attempt("samples", lambda: _triples(found))
        model = found.model
        assert model is not None  # its task is known
        marks = [facts.snapshots[i] for i in spaced(len(facts.snapshots), gallery.SNAPSHOTS)]
        grids = gallery.over_time(marks, gallery.codec_of(model))
        shown = [(kimg, grid) for (kimg, _), grid in zip(marks, grids, strict=True) if grid]
        return Shown(
            samples=_render("redone.html", generator=model.generator, triples=triples),
            over_time=_render("over_time.html", images={"snapshots": shown}, same="images"),
        )


def _triples(found: Findings) -> Inline | None:
    model, data = found.model, found.data
    if model is None or data is None:
        return None
    codec = gallery.codec_of(model)
    pool = data.heldout if len(data.heldout) else data.train
    chosen = pool[:TRIPLES]
    blocks = list(model.redone(data.batch(chosen)[0]))
    given, made = (
        codec.join(blocks_) for blocks_ in ([b.given for b in blocks], [b.made for b in blocks])
    )
    truth = [data.examples(chosen)] if model.generator.paired else []
    cells = np.stack([given, made, *truth], 1).reshape(-1, *made.shape[1:])
    grid = codec.grid(cells, (2 + len(truth)) * ACROSS, max(1, SIDE // max(cells.shape[1:3])))
    alt = f"{len(chosen)} held-out images: as given, the result{', the truth' if truth else ''}"
    return gallery.inline(grid, alt, most=600 * gallery.KB)


def _render(name: str, **shown: object) -> Markup:
    return Markup(template(name, __package__).render(**shown))
