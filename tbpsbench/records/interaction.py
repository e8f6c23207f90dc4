"""The part of a record that says how queries were talked about, and what came of it (docs/interaction.md)."""

from __future__ import annotations

from typing import Any

from tbpsbench.records.shape import ROUNDING, Each, Maybe, Name, Number, Optional, Pair, Some, Text

MAX_ROUNDS = 1000
NAME = Name()
COUNT, AMOUNT = Number(0, 1 << 40, whole=True), Number(0, 1e18)
SHARE = Number(-ROUNDING, 100 + ROUNDING)
GAIN, P, LOG = Number(-100 - ROUNDING, 100 + ROUNDING), Number(0, 1), Number(0, 100)
RECALLS = Each(SHARE, least=1)
# Shares are in percent, null where there is nothing that they could be of.
ANCHORS = {
    "found": Maybe(SHARE),
    "precision": Maybe(SHARE),
    "precision_where_rank_1_was_right": Maybe(SHARE),
    "precision_where_rank_1_was_wrong": Maybe(SHARE),
    "by_rank": Each({"anchors": COUNT, "precision": Maybe(SHARE)}, most=MAX_ROUNDS),
    "early_stops": COUNT,
    "expected_R@1": SHARE,
}
FLIPS = {
    "right_to_wrong": COUNT,
    "wrong_to_right": COUNT,
    "mcnemar_p": P,
    "gain_R@1": GAIN,
    "gain_R@1_interval_95": Pair(GAIN),
}
PROTOCOL: dict[str, Any] = {
    "queries": COUNT,
    "anchors": ANCHORS,
    "flips": FLIPS,
    "rounds": Some({"round": COUNT, "instantaneous": RECALLS, "cumulative": RECALLS}, most=MAX_ROUNDS + 1),
    "bri": LOG,
    "bri_before": LOG,
    "budgets": [{"calls": COUNT, "mean_calls": AMOUNT, ...: SHARE}],
    "cost": Each(AMOUNT),
    "ablation_calls": Each(COUNT),
}
INTERACTION: dict[str, Any] = {
    "component": {"type": NAME},
    "answerer": Text("anchor|witness|oracle|person", "who answered"),
    "simulated": bool,
    "clients": [{"client": Optional(NAME), "model": Optional(NAME)}],
    "protocols": Each(PROTOCOL, least=1),
}
