"""Counts: ours against independent words and topic models (LDA), on documents.

    python benchmarks/counts.py quality DOCUMENTS [--minutes 3] [--topics 50]

DOCUMENTS is anything that is read as counts: a .txt with a document a line, a folder of .txt, a sparse
.npz. Each model generates as many rows as there are training rows (10,000 at most), which are compared
with the held-out rows: difference in the shares of zeros and in the totals, overlap of the word shares,
and correlation of the lifts of pairs of frequent words. Real rows in place of samples give the floor.
LDA is scikit-learn's and generates rows in two ways: with topics from its prior, and with topics inferred
from training rows, which is no longer a model of new documents but shows what its topics can express.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import ganwright as gw
from ganwright.data import Dataset
from ganwright.modalities.counts.quality import CountRows, company, count_quality
from ganwright.modalities.counts.sparse import Counts, joined

MOST = 10_000


def quality(o: argparse.Namespace) -> None:
    """Real rows, the baselines, and ours, each judged in the same way."""
    data = gw.open_data(o.documents, form="counts")
    training = data.examples(data.train)
    rows = CountRows.fit(training)
    real, n = rows.of(data.examples(data.heldout)), min(MOST, len(training))
    print(*data.notes, sep="\n")
    print("| player | zeros off by | totals apart | words alike | words together | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, make in players(data, n, o):
        began = time.perf_counter()
        made = rows.of(make())
        spent = time.perf_counter() - began
        found, pairs = count_quality(real, made), company(real, made)
        print(
            f"| {name} | {found.zeros:.1e} | {found.totals:.3f} | {found.words:.3f} "
            f"| {pairs.together:.3f} | {spent:.0f} |",
            flush=True,
        )


def players(
    data: Dataset, n: int, o: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Counts]]]:
    """Who is judged, and how to get their rows."""
    training, rng = data.examples(data.train), np.random.default_rng(o.seed)
    totals = rng.choice(training.totals, n)
    yield "real rows", lambda: training[np.sort(rng.permutation(len(training))[:n])]
    shares = np.asarray(training.matrix.sum(0), float)
    yield (
        "independent words",
        lambda: drawn(np.broadcast_to(shares, (n, shares.shape[1])), totals, rng),
    )
    yield f"LDA, {o.topics} topics", lambda: lda(training, totals, o.topics, rng, prior=True)
    yield "LDA, topics of training rows", lambda: lda(training, totals, o.topics, rng, prior=False)
    yield f"ours, {o.minutes:g} minutes", lambda: ours(data, n, o)


def drawn(rates: np.ndarray, totals: np.ndarray, rng: np.random.Generator) -> Counts:
    """Rows of these totals, drawn from rates (n, words)."""
    return Counts(
        sp.csr_matrix(
            np.stack([rng.multinomial(t, r / r.sum()) for t, r in zip(totals, rates, strict=True)])
        )
    )


def lda(
    training: Counts, totals: np.ndarray, topics: int, rng: np.random.Generator, *, prior: bool
) -> Counts:
    """Latent Dirichlet allocation (Blei et al. 2003)."""
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(
        topics, learning_method="online", batch_size=512, random_state=0
    )
    model.fit(training.matrix)
    words = model.components_ / model.components_.sum(1, keepdims=True)
    if prior:
        mixed = rng.dirichlet([1 / topics] * topics, len(totals))
    else:
        mixed = model.transform(training.matrix[rng.permutation(len(training))[: len(totals)]])
    return drawn(mixed @ words, totals, rng)


def ours(data: Dataset, n: int, o: argparse.Namespace) -> Counts:
    """Trained as a user would."""
    out = o.out / f"{data.name}-{time.strftime('%H%M%S')}"
    settings = {"data.form": "counts"}
    run = gw.train(o.documents, out=out, minutes=o.minutes, seed=o.seed, settings=settings)
    made = joined((b.examples for b in run.model.stream(n, seed=1)), data.codec.width)
    codec: Any = run.model.codec
    print(codec.preview(made))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_subparsers(required=True).add_parser
    sub = add("quality", help=quality.__doc__)
    sub.set_defaults(command=quality)
    sub.add_argument("documents")
    sub.add_argument("--minutes", type=float, default=3, help="of our training")
    sub.add_argument("--topics", type=int, default=50, help="of LDA")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--out", type=Path, default=Path("benchmark-runs/counts"))
    o = parser.parse_args()
    o.command(o)


if __name__ == "__main__":
    main()
