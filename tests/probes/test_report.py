import io

import numpy as np
import pytest
import torch
from rich.console import Console

from tbpsbench.probes.dependence import dependence
from tbpsbench.probes.report import print_report


@pytest.mark.parametrize(
    ("images", "permutations", "said"),
    [
        ([3, 3, 3], 5, "In brackets: the mean that independence gives"),
        ([1, 2, 3, 4], 5, "What independence gives is not known: too few persons"),
        ([3, 3, 3], 0, ""),
    ],
)
def test_the_table_says_what_independence_gives_or_why_nobody_knows(images, permutations, said):
    person_N = np.repeat(np.arange(len(images)), images)
    x_ND = torch.randn(len(person_N), 3, generator=torch.Generator().manual_seed(0))
    pair = {"x": "one", "y": "two", **dependence(x_ND, x_ND, person_N, permutations=permutations)}
    report = {
        "name": "made up", "persons": len(images), "images": len(person_N), "features": {}, "attributes": {},
        "means": {}, "not_probed": {}, "dependence": [pair], "permutations": permutations, "seen_in_training": 0,
    }  # fmt: skip
    stream = io.StringIO()
    print_report(report, console=Console(file=stream, width=160))
    assert ("ndependence gives" in stream.getvalue()) is bool(said)
    assert said in stream.getvalue()
