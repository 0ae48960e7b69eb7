"""Sounds as a data set: their length and rate settled by all headers, decoded once, and split.

<cache>/data/<source>/survey.npz          what every file is before decoding
<cache>/data/<source>/<plan>/rows.npy     (n, length) int16, mapped from disk
<cache>/data/<source>/<plan>/index.npz    which files and where in them, hashes, what was unreadable
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal

from ganwright.base.errors import DataError
from ganwright.data import cache
from ganwright.data.classes import class_counts, class_doubts, trained_classes
from ganwright.data.dataset import Dataset, Skipped
from ganwright.data.options import DataOptions
from ganwright.data.source import Unreadable
from ganwright.data.split import Split, split
from ganwright.modalities.audio.codec import AudioCodec
from ganwright.modalities.audio.files import AudioSource, Reader
from ganwright.modalities.audio.options import AudioOptions
from ganwright.modalities.audio.waves import WHITE

LONGEST_S, SLICE_S = 2.048, 1.024  # of a clip, and of a slice of a recording, where nobody says
HOP_S, LEAST_HOP_S = 0.016, 0.004  # between frames: of speech; shorter for clips under a second
FRAMES = 16  # their number is a multiple of this, so that nets can halve it
ALIKE = 1.5  # times the length: where half of the files are longer, all are sliced
LEAST_S = 0.01  # shorter files are no sounds
MARGIN = 64  # samples around a part that is resampled, for the filter
FITTED = 2000  # training examples that the codec is fitted to
FEW_FILES = 10  # recordings: of fewer, slices are split by themselves


@dataclass(frozen=True)
class Survey:
    """Headers of all files, (n,) each; 0 for those in `bad`, which can't be read."""

    rates: np.ndarray
    lengths: np.ndarray
    channels: np.ndarray
    bits: np.ndarray
    bad: np.ndarray
    reasons: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """Which files can be read (n,) bool."""
        return ~np.isin(np.arange(len(self.rates)), self.bad)


@dataclass(frozen=True)
class Plan:
    """What every file becomes: waves of `length` samples at `rate`, one of a file or all its slices."""

    rate: int
    length: int
    sliced: bool


@dataclass(frozen=True)
class Rows:
    """Decoded waves (n, length) int16, whose they are (a file), where they start, and hashes of them.

    `silent` are the files of slices that were left out because nothing is in them.
    """

    waves: np.ndarray
    whose: np.ndarray
    start: np.ndarray
    hashes: np.ndarray
    bad: np.ndarray
    reasons: np.ndarray
    silent: np.ndarray


def dataset(source: AudioSource, options: DataOptions) -> Dataset:
    """Sounds surveyed, decoded and split; what `open_data` does once it has a source of them."""
    found = survey(source)
    _refuse(source, options, _skipped(source, found.bad, found.reasons))
    asked = options.of(AudioOptions)
    plan, hop, rules = plan_for(found, asked)
    rows = decoded(source, found, plan)
    bad, reasons = np.append(found.bad, rows.bad), np.append(found.reasons, rows.reasons)
    order = np.argsort(bad, kind="stable")
    skipped = _skipped(source, bad[order], reasons[order])
    _refuse(source, options, skipped)
    if len(rows.waves) < 2:
        raise DataError(
            f"'{source.path}' gives {len(rows.waves)} example of {plan.length / plan.rate:.3g} s; at "
            "least 2 are needed"
        )
    labels = None if source.labels is None or not options.labels else source.labels[rows.whose]
    official = None if source.official is None else source.official[rows.whose]
    if official is not None and official.all() == official.any():  # one part could not be read
        official = None
    parts, whole = _split(rows, plan, options.holdout, official)
    classes = () if labels is None else source.classes
    labels, classes, parts, shortage = trained_classes(
        labels, classes, parts, rows.hashes, thing="sound"
    )
    bits = Counter(found.bits[found.usable].tolist()).most_common(1)[0][0]
    fitted = parts.train[:: -(-len(parts.train) // FITTED)]
    codec = AudioCodec.fit(
        rows.waves[fitted], rate=plan.rate, hop=hop, bands=asked.bands,
        phase=asked.phase, depth=f"{bits} bit",
    )  # fmt: skip
    doubts = class_doubts(class_counts(labels, classes, np.append(parts.train, parts.heldout)))
    silent = len(rows.silent)
    quiet = f"{silent:,} slices are silent: left out" if silent else ""
    seconds = plan.length / plan.rate
    return Dataset(
        name=source.name,
        kind=source.kind,
        source=source.path,
        spec=codec.spec(classes),
        codec=codec,
        fingerprint=_fingerprint(codec, rows, labels, classes, parts.train, parts.heldout),
        rows=rows.waves,
        labels=labels,
        train=parts.train,
        heldout=parts.heldout,
        dropped=parts.dropped,
        hashes=rows.hashes,
        skipped=skipped,
        ignored=dict(source.ignored),
        options=options.having(replace(asked, rate=plan.rate, seconds=seconds)),
        notes=tuple(
            n for n in (*rules, quiet, *source.notes, parts.note, whole, shortage, *doubts) if n
        ),
        name_of=lambda i: _name(source, plan, int(rows.whose[i]), int(rows.start[i])),
    )


def _name(source: AudioSource, plan: Plan, file: int, start: int) -> str:
    name = source.names[file]
    return f"{name} at {start / plan.rate:,.3g} s" if plan.sliced else name


def _skipped(source: AudioSource, files: np.ndarray, why: np.ndarray) -> tuple[Skipped, ...]:
    return tuple(Skipped(source.names[i], str(w)) for i, w in zip(files, why, strict=True))


def _refuse(source: AudioSource, options: DataOptions, skipped: tuple[Skipped, ...]) -> None:
    if skipped and (options.bad == "refuse" or len(skipped) == source.count):
        first = f"{skipped[0].name} {skipped[0].reason}"
        none = len(skipped) == source.count
        told = "none can be used" if none else f"{len(skipped):,} can't be used"
        raise DataError(f"'{source.path}': of {source.count:,} sounds {told}; the first: {first}")


# --- headers -------------------------------------------------------------------------------------


def survey(source: AudioSource) -> Survey:
    """Reads the headers of all files, or what an earlier call found."""
    path = cache.folder_of("sounds", source.identity) / "survey.npz"
    with suppress(*cache.DAMAGED):
        found = Survey(**cache.load_npz(path))
        if len(found.rates) == source.count:
            return found
    heads, bad, reasons = np.zeros((source.count, 4), np.int64), [], []
    with source.opened() as opened:
        reader = Reader(opened)
        for i in range(source.count):
            try:
                heads[i] = reader.head(i)
            except Unreadable as error:
                bad.append(i)
                reasons.append(str(error))
    rates, lengths, channels, bits = heads.T
    found = Survey(
        rates, lengths, channels, bits, np.array(bad, np.int64), np.array(reasons, np.str_)
    )
    with cache.room_for(path.parent), cache.making(path.parent) as aside:
        np.savez(aside / path.name, **vars(found))
        (aside / path.name).replace(path)
    return found


def plan_for(found: Survey, asked: AudioOptions) -> tuple[Plan, int, list[str]]:
    """The plan by the files' headers, the hop of the spectrogram, and the rules behind them, in words."""
    rates, own = found.rates[found.usable], found.lengths[found.usable]
    common = Counter(rates.tolist()).most_common()
    rate = asked.rate or common[0][0]
    others = int((rates != rate).sum())
    seconds = own / rates
    median, usual = float(np.median(seconds)), float(np.quantile(seconds, 0.99))
    if asked.seconds is not None:
        wanted, sliced = asked.seconds, median > ALIKE * asked.seconds
    else:
        sliced = median > LONGEST_S
        wanted = SLICE_S if sliced else min(usual, LONGEST_S)
    hop = _hop(rate, wanted)
    frames = wanted * rate / hop
    length = hop * (round(frames) if asked.seconds is not None else _multiple(frames))
    length = max(length, FRAMES * hop)
    plan = Plan(rate, length, sliced)
    return plan, hop, list(_rules(plan, seconds, others, found.channels[found.usable]))


def _hop(rate: int, seconds: float) -> int:
    """Samples between two frames: a multiple of 4, and from 64 on of 16, for fast transforms."""
    hop = rate * min(HOP_S, max(LEAST_HOP_S, seconds / 64))
    step = 16 if hop >= 64 else 4
    return step * math.ceil(hop / step)


def _multiple(frames: float) -> int:
    return FRAMES * max(1, math.ceil(frames / FRAMES))


def _rules(plan: Plan, seconds: np.ndarray, others: int, channels: np.ndarray) -> Iterator[str]:
    length = plan.length / plan.rate
    if plan.sliced:
        yield f"recordings are cut into slices of {length:.3g} s; a rest under half of that is left out"
    else:
        longer = int((seconds > length).sum())
        cut = f"{longer:,} longer {'one is' if longer == 1 else 'ones are'} cut"
        cut = cut if longer else "none is longer"
        yield f"one example of {length:.3g} s a file: shorter ones are padded with silence, {cut}"
    if others:
        yield f"{others:,} of {len(seconds):,} files have another rate: resampled to {plan.rate:,} Hz"
    if (mixed := int((channels > 1).sum())) > 0:
        yield f"{mixed:,} of {len(seconds):,} files have several channels: averaged to one"


# --- content -------------------------------------------------------------------------------------


def decoded(source: AudioSource, found: Survey, plan: Plan) -> Rows:
    """The decoded waves, or what an earlier call decoded."""
    folder = cache.folder_of("sounds", source.identity) / cache.key_of(vars(plan))
    with suppress(*cache.DAMAGED):
        return _opened(folder, plan)
    with cache.room_for(folder.parent), cache.making(folder.parent) as aside:
        _decode(source, found, plan, aside)
        return _opened(cache.publish(aside, folder, lambda: _opened(folder, plan)), plan)


def _opened(folder: Path, plan: Plan) -> Rows:
    """Raises one of DAMAGED when the folder is not there or not whole."""
    index = cache.load_npz(folder / "index.npz")
    shape = (len(index["whose"]), plan.length)
    if shape[0] == 0:  # an empty array can't be mapped
        return Rows(np.empty(shape, np.int16), **index)
    waves = np.load(folder / "rows.npy", mmap_mode="r", allow_pickle=False)
    if waves.shape != shape or waves.dtype != np.int16:
        raise ValueError("not what was planned")
    return Rows(waves.view(np.ndarray), **index)


def _decode(source: AudioSource, found: Survey, plan: Plan, aside: Path) -> None:
    lists: dict[str, list[Any]] = {name: [] for name in ("whose", "start", "hashes")}
    bad, reasons, silent = [], [], []
    with source.opened() as opened, (aside / "rows.npy").open("wb") as out:
        reader = Reader(opened)
        cache.write_header(out, (0, plan.length), "int16")
        for i in np.flatnonzero(found.usable).tolist():
            rate, length = int(found.rates[i]), int(found.lengths[i])
            count = 0
            try:
                starts = _starts(plan, rate, length)
                with reader.parts(i) as part:
                    for start in starts:
                        wave = _wave(part, start, plan, rate, length)
                        if int(wave.max()) - int(wave.min()) <= 1:  # a rounding error is no sound
                            silent.append(i)
                            continue
                        out.write(wave.tobytes())
                        digest = hashlib.blake2b(wave.tobytes(), digest_size=8).digest()
                        for name, value in zip(
                            lists, (i, start, int.from_bytes(digest)), strict=True
                        ):
                            lists[name].append(value)
                        count += 1
                if not count:
                    raise Unreadable("is silent")
            except Unreadable as error:
                bad.append(i)
                reasons.append(f"{error}{', after what was read of it' if count else ''}")
        cache.write_header(out, (len(lists["whose"]), plan.length), "int16")
    np.savez(
        aside / "index.npz",
        whose=np.array(lists["whose"], np.int64),
        start=np.array(lists["start"], np.int64),
        hashes=np.array(lists["hashes"], np.uint64),
        bad=np.array(bad, np.int64),
        reasons=np.array(reasons, np.str_),
        silent=np.array([i for i in silent if i not in set(bad)], np.int64),
    )


def _starts(plan: Plan, rate: int, length: int) -> range:
    """Where the examples of a file begin, in samples at the plan's rate. Raises Unreadable."""
    own = length * plan.rate / rate
    if length < LEAST_S * rate:
        few = f"{length:,} sample{'s' if length > 1 else ''}"
        raise Unreadable(f"has {few}: sounds last {LEAST_S * 1000:g} ms at least")
    if not plan.sliced:
        return range(1)
    return range(0, max(1, round(own / plan.length)) * plan.length, plan.length)


def _wave(
    part: Callable[[int, int], np.ndarray], start: int, plan: Plan, rate: int, length: int
) -> np.ndarray:
    """One example (length,) int16, resampled where the file's rate is another."""
    if rate == plan.rate:
        wave = part(start, plan.length)
    else:
        # By a simple fraction near the true one: off by less than a sample in a minute.
        share = Fraction(plan.rate, rate).limit_denominator(2000)
        margin = MARGIN * max(1, math.ceil(1 / share))
        first = math.floor(start / share) - margin
        first -= first % share.denominator  # the samples then fall on those of the whole file
        count = math.ceil(plan.length / share) + 2 * margin + share.denominator
        wave = scipy.signal.resample_poly(
            part(first, count).astype(np.float64), share.numerator, share.denominator
        )
        wave = wave[start - round(first * share) :][: plan.length]
    scaled: np.ndarray = np.rint(wave * WHITE).clip(-WHITE, WHITE - 1).astype(np.int16)
    return scaled


def _split(
    rows: Rows, plan: Plan, holdout: float, official: np.ndarray | None
) -> tuple[Split, str]:
    """By content; all slices of a recording on one side, where there are recordings enough."""
    files, first = np.unique(rows.whose, return_index=True)
    if official is not None or not plan.sliced:
        return split(rows.hashes, holdout, official), ""
    if len(files) < FEW_FILES:
        few = (
            f"{len(files)} recordings are too few to hold whole ones out: slices are held out, and "
            "those beside them are trained on"
        )
        return split(rows.hashes, holdout, None), few
    whole = rows.hashes[first][np.searchsorted(files, rows.whose)]
    return split(whole, holdout, None), "all slices of a recording are on one side of the split"


def _fingerprint(
    codec: AudioCodec, rows: Rows, labels: np.ndarray | None, classes: Any, *parts: np.ndarray
) -> str:
    about = [codec.rate, codec.length, codec.hop, codec.bands, codec.phase, classes]
    digest = hashlib.blake2b(json.dumps(about).encode(), digest_size=8)
    for array in (rows.hashes, *parts, *([] if labels is None else [labels])):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
