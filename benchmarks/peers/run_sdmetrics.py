"""SDMetrics' quality report of made rows, as JSON; run with the peers' python (see run_ctgan.py).

    /tmp/peer/bin/python benchmarks/peers/run_sdmetrics.py NAME REAL.csv MADE.csv

Its scores are not comparable between versions (0.27 left pairs out that have no trend in the real
rows), so the version stands beside them.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sdmetrics.reports import QualityReport

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tables_data import SOURCES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SOURCES)
    parser.add_argument("real", type=Path)
    parser.add_argument("made", type=Path)
    o = parser.parse_args()
    categories = SOURCES[o.name].categories
    real, made = (
        pd.read_csv(path, dtype=dict.fromkeys(categories, str), keep_default_na=False,
                    na_values=[""])
        for path in (o.real, o.made)
    )  # fmt: skip
    types = {c: "categorical" if c in categories else "numerical" for c in real.columns}
    np.random.seed(0)  # its contingency tables are of a random 50,000 rows
    report = QualityReport()
    columns = {name: {"sdtype": kind} for name, kind in types.items()}
    metadata = {"tables": {o.name: {"columns": columns}}}
    report.generate({o.name: real}, {o.name: made[real.columns]}, metadata, verbose=False)
    properties = report.get_properties().set_index("Property")["Score"]
    json.dump(
        {
            "sdmetrics": report.get_score(),
            "shapes": properties["Column Shapes"],
            "pairs": properties["Column Pair Trends"],
            "version": version("sdmetrics"),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
