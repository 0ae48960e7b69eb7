"""From a source of images to a data set: their size, channels, range, classes and split."""

from __future__ import annotations

import hashlib
import json
import statistics
from dataclasses import replace

import numpy as np

from ganwright.base.errors import DataError
from ganwright.data.classes import class_counts, class_doubts, trained_classes
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.options import DataOptions
from ganwright.data.split import split
from ganwright.modalities.images import cache
from ganwright.modalities.images.codec import ImageCodec
from ganwright.modalities.images.content import channels_of, is_narrow, range_of
from ganwright.modalities.images.options import ImageOptions
from ganwright.modalities.images.read.source import PICTURE_FILES, ImageSource
from ganwright.modalities.images.spec import AXES, ImageSpec

_KEPT_SIDE, _LONGER_SIDE, _LEAST_SIDE = 128, 64, 4
LEAST_IDENTITIES = 10
_MANY = 10  # images from which on classes of one each are not taken as classes
_USUAL_SHARE = 0.95  # share of images with one size, for all to take it


def dataset(source: ImageSource, options: DataOptions) -> Dataset:
    """Images surveyed, decoded and split; what `open_data` does once it has a source of them."""
    survey = cache.survey(source)
    _refuse(source, options, _unreadable(source, survey.bad, survey.reasons))
    plan, rows, rules = _decoded(source, survey, options)
    bad, reasons = np.append(survey.bad, rows.bad), np.append(survey.reasons, rows.reasons)
    order = np.argsort(bad)
    skipped = _unreadable(source, bad[order], reasons[order])
    _refuse(source, options, skipped)
    _enough(source, len(rows.kept), skipped)
    chosen = options.of(ImageOptions)
    official = None if source.official is None else source.official[rows.kept]
    if official is not None and official.all() == official.any():  # one part could not be read
        official = None
    identities: np.ndarray | None = None
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    if chosen.identity:
        identities, by, labelled = _identities(source, rows.kept)
        parts = split(by, options.holdout, None)
    else:
        labels, classes, labelled = _labels(source, rows.kept, options)
        parts = split(rows.hashes, options.holdout, official)
    labels, classes, parts, shortage = trained_classes(
        labels, classes, parts, rows.hashes, thing="picture"
    )
    low, high, ranged = range_of(rows.extremes[parts.train], plan.dtype)
    codec = _codec(plan, low, high)
    rules += [_reduced(survey), ranged]
    doubts = class_doubts(class_counts(labels, classes, np.append(parts.train, parts.heldout)))
    resolved = replace(chosen, size=(plan.height, plan.width), channels=codec.channels)
    return Dataset(
        name=source.name,
        kind=source.kind,
        source=source.path,
        spec=ImageSpec(
            axes=AXES,
            shape=(plan.channels, plan.height, plan.width),
            classes=classes,
        ),
        codec=codec,
        fingerprint=_fingerprint(plan, codec, rows, labels, classes, parts.train, parts.heldout),
        rows=rows.pixels,
        labels=labels,
        train=parts.train,
        heldout=parts.heldout,
        dropped=parts.dropped,
        hashes=rows.hashes,
        skipped=skipped,
        ignored=dict(source.ignored),
        options=options.having(resolved),
        notes=tuple(
            n for n in (*rules, *source.notes, labelled, parts.note, shortage, *doubts) if n
        ),
        name_of=lambda index: source.name_of(int(rows.kept[index])),
        identities=identities,
    )


def _unreadable(
    source: ImageSource, indices: np.ndarray, reasons: np.ndarray
) -> tuple[Skipped, ...]:
    pairs = zip(indices, reasons, strict=True)
    return tuple(Skipped(source.name_of(int(i)), str(reason)) for i, reason in pairs)


def _refuse(source: ImageSource, options: DataOptions, skipped: tuple[Skipped, ...]) -> None:
    if skipped and (options.bad == "refuse" or len(skipped) == source.count):
        first = f"{skipped[0].name} {skipped[0].reason}"
        share = "none" if len(skipped) == source.count else f"{len(skipped):,} can't"
        can = " can" if share == "none" else ""
        raise DataError(
            f"'{source.path}': of {source.count:,} examples {share}{can} be read; the first: {first}"
        )


def _enough(source: ImageSource, usable: int, skipped: tuple[Skipped, ...]) -> None:
    if usable < 2:
        culprit = f"; {skipped[0].name} {skipped[0].reason}" if skipped else ""
        raise DataError(
            f"'{source.path}' has {usable} usable example; at least 2 are needed{culprit}"
        )


def plan_for(
    source: ImageSource, survey: cache.Survey, options: DataOptions
) -> tuple[cache.Plan, str]:
    """The decoding plan by the files' headers, and the rule behind it, in words."""
    good = survey.usable
    heights, widths = survey.heights[good], survey.widths[good]
    chosen = options.of(ImageOptions)
    size, rule = (chosen.size, "") if chosen.size else _derived_size(heights, widths)
    found = {int(c) for c in np.unique(survey.channels[good])}
    colour, alpha = any(c >= 3 for c in found), any(c in (2, 4) for c in found)
    channels = chosen.channels or (3 if colour else 1) + alpha
    dtype = max(np.unique(survey.dtypes[good]), key=["uint8", "uint16", "float32"].index)
    return cache.Plan(*size, channels, str(dtype), chosen.fit), rule


def _decoded(
    source: ImageSource, survey: cache.Survey, options: DataOptions
) -> tuple[cache.Plan, cache.Rows, list[str]]:
    """The decoded examples: planned by the files' headers, then by their content.

    The shape of an array says how many channels are meant; the mode of a file is often an accident.
    """
    plan, rule = plan_for(source, survey, options)
    rows = cache.rows(source, survey, plan)
    if options.of(ImageOptions).channels or source.kind not in PICTURE_FILES or not len(rows.kept):
        return plan, rows, [rule]
    channels, notes = channels_of(rows.least, plan.channels)
    if channels != plan.channels:
        plan = replace(plan, channels=channels)
        rows = cache.rows(source, survey, plan)
    return plan, rows, [rule, *notes]


def _reduced(survey: cache.Survey) -> str:
    count = int(survey.reduced.sum())
    return f"16 bit reduced to 8: {count:,} files" if count else ""


def _derived_size(heights: np.ndarray, widths: np.ndarray) -> tuple[tuple[int, int], str]:
    height, width = int(heights[0]), int(widths[0])
    same = bool((heights == height).all() and (widths == width).all())
    if same and max(height, width) <= _KEPT_SIDE:
        return (height, width), f"all pictures are {height}×{width}: kept as they are"
    pairs, inverse = np.unique(np.stack([heights, widths]), axis=1, return_inverse=True)
    counts = np.bincount(inverse.ravel())
    usual = counts.argmax()
    height, width = int(pairs[0, usual]), int(pairs[1, usual])
    if (
        counts[usual] >= _USUAL_SHARE * len(heights)
        and max(height, width) <= _KEPT_SIDE
        and not same
    ):
        strays = len(heights) - int(counts[usual])
        some = f"{strays:,} of another size is" if strays == 1 else f"{strays:,} of other sizes are"
        return (
            height,
            width,
        ), f"most pictures are {height}×{width}: kept as they are; {some} resized"
    aspect = statistics.median((heights / widths).tolist())
    longer = min(_LONGER_SIDE, float(np.median(np.maximum(heights, widths))))
    sides = (longer, longer / aspect) if aspect >= 1 else (longer * aspect, longer)
    size = max(_LEAST_SIDE, round(sides[0])), max(_LEAST_SIDE, round(sides[1]))
    what = "larger than 128" if same else "of several sizes"
    return (
        size,
        f"pictures are {what}: resized to {size[0]}×{size[1]} (median aspect, longer side at most 64)",
    )


def _labels(
    source: ImageSource, kept: np.ndarray, options: DataOptions
) -> tuple[np.ndarray | None, tuple[str, ...], str]:
    if source.labels is None or not options.labels:
        return None, (), ""
    used, labels = np.unique(source.labels[kept], return_inverse=True)
    if len(used) == 1:
        return None, (), f"all are of one class ({source.classes[used[0]]}): labels are not used"
    if len(used) == len(kept) >= _MANY:
        own = f"{len(used):,} classes for {len(kept):,} pictures: labels are not used"
        return None, (), own
    gone = [source.classes[i] for i in np.setdiff1d(source.labels, used)]
    lost = f"classes without a picture that can be read are left out: {', '.join(gone[:5])}"
    return labels.astype(np.int64), tuple(source.classes[i] for i in used), lost if gone else ""


def _identities(source: ImageSource, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Of each image its identity's number, (n,), and a hash of that to split by, (n,). Raises DataError."""
    if source.labels is None:
        raise DataError(
            f"data.identity: '{source.path}' has no identities: a folder for each, or a column of labels"
        )
    used, numbers = np.unique(source.labels[kept], return_inverse=True)
    if len(used) < LEAST_IDENTITIES:
        raise DataError(
            f"data.identity: '{source.path}' has {len(used)} identities; at least {LEAST_IDENTITIES} are "
            "needed, to tell those trained on from unseen ones"
        )
    marks = [hashlib.blake2b(source.classes[i].encode(), digest_size=8).digest() for i in used]
    note = f"{len(used):,} identities: none is on both sides of the split, and the model learns no classes"
    return numbers.astype(np.int64), np.frombuffer(b"".join(marks), np.uint64)[numbers], note


def _codec(plan: cache.Plan, low: float, high: float) -> ImageCodec:
    return ImageCodec(
        height=plan.height,
        width=plan.width,
        channels=plan.channels,  # type: ignore[arg-type]
        dtype=plan.dtype,  # type: ignore[arg-type]
        low=low,
        high=high,
    )


def _fingerprint(
    plan: cache.Plan,
    codec: ImageCodec,
    rows: cache.Rows,
    labels: np.ndarray | None,
    classes: tuple[str, ...],
    *parts: np.ndarray,
) -> str:
    narrow = codec.dtype != "float32" and is_narrow(codec.low, codec.high, codec.dtype)
    about = [vars(plan), classes, *([codec.low, codec.high] if narrow else [])]
    digest = hashlib.blake2b(json.dumps(about).encode(), digest_size=8)
    for array in (rows.hashes, *parts, *([] if labels is None else [labels])):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
