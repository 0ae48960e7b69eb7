"""Loads what a run's files describe; what can't be loaded is noted with the reason."""

from __future__ import annotations

import json
import os

from ganwright.base.errors import GanwrightError
from ganwright.base.modality import Modality, modality, modality_of_json
from ganwright.data import Dataset, open_data
from ganwright.evaluate import Card, evaluate
from ganwright.evaluate.card import keep
from ganwright.model import FACTS, Model, artefact
from ganwright.report.facts import Facts
from ganwright.report.look import Findings, Say


def find(facts: Facts, against: str | os.PathLike[str] | None, say: Say) -> Findings:
    """Loads the run's model, data and card."""
    found = Findings()
    found.model = model = found.attempt("model", lambda: Model.load(facts.folder.path))
    if model is not None:
        found.data = _data(facts, model, against, found)
    found.own = (
        model is not None
        and found.data is not None
        and found.data.fingerprint == model.data.get("fingerprint")
    )
    found.card = _card(facts, against, found, say)
    return found


def modality_of_run(facts: Facts, found: Findings) -> Modality | None:
    """The modality of the run's model, even of one whose weights can't be read."""
    if found.model is not None:
        return modality(found.model.codec.kind)
    try:
        tree = json.loads((artefact(facts.folder.path) / FACTS).read_text(encoding="utf-8"))
        return modality_of_json(tree["codec"])
    except (GanwrightError, OSError, ValueError, KeyError, TypeError):
        return None


def _data(
    facts: Facts, model: Model, against: str | os.PathLike[str] | None, found: Findings
) -> Dataset | None:
    def opened(source: str | os.PathLike[str]) -> Dataset:
        return open_data(source, options=model.data_options)

    if against is not None:
        return opened(against)
    source = facts.source
    if source is None:
        found.missing["data"] = "the log doesn't say what the run was trained on"
        return None
    return found.attempt("data", lambda: opened(source))


def _card(
    facts: Facts, against: str | os.PathLike[str] | None, found: Findings, say: Say
) -> Card | None:
    """The run's card; a new one where there is none, or it is of another model or other data."""
    path = facts.folder.card
    card = found.attempt("card", lambda: Card.load(path)) if path.is_file() else None
    if found.model is None or found.data is None:
        return card
    other = against is not None and card and card.against["fingerprint"] != found.data.fingerprint
    old = card is not None and card.seen not in (None, found.model.seen)
    if card is not None and not (other or old):
        return card
    found.missing.pop("card", None)
    fresh = found.attempt("card", lambda: evaluate(facts.folder.path, against, progress=say))
    return None if fresh is None else keep(fresh, facts.folder)
