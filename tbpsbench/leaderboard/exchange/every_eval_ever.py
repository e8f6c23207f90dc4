"""Records in the schema of Every Eval Ever (EvalEval Coalition), version 0.2.2: one JSON file for each record.

Our record says more: what the schema has no field for stands in its `additional_details`, and the ranks of single
queries stay in the record's ranks.npz, whose hash is told.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from tbpsbench.metrics.bootstrap import DRAWS
from tbpsbench.records.badges import badges_of
from tbpsbench.records.identity import annotations_sha256
from tbpsbench.records.names import slug
from tbpsbench.records.read import data_name

SCHEMA = "0.2.2"
RELATIONS = ("first_party", "third_party", "collaborative", "other")
# Column of ours -> the schema's id of the metric.
METRICS = {"mAP": "mean_average_precision", "mINP": "mean_inverse_negative_penalty"}
_RECALL = re.compile(r"R@(\d+)")


def files(
    records: Sequence[Mapping[str, Any]], model: str, organization: str, relation: str, dataset: str | None, now: int
) -> dict[str, bytes]:
    """Name of a file -> its content, in the folders of the collection: data/BENCHMARK/DEVELOPER/MODEL/ID.json.

    Args:
        records: any.
        model: OWNER/NAME.
        organization: who provides the results.
        relation: of the evaluator to the model, one of `RELATIONS`.
        dataset: repository of the data set on Hugging Face, OWNER/NAME; None where there is none.
        now: seconds since 1970, when this was written.
    """
    developer, _, name = model.partition("/")
    found = {}
    for record in records:
        # The same record has the same name, whenever it is exported.
        number = uuid.uuid5(uuid.NAMESPACE_URL, f"{model} {record['evidence']['sha256']}")
        folder = "/".join(map(slug, (data_name(record), developer, name)))
        plain = _evaluation(record, model, organization, relation, dataset, now)
        found[f"data/{folder}/{number}.json"] = (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode()
    return found


def _evaluation(
    record: Mapping[str, Any], model: str, organization: str, relation: str, dataset: str | None, now: int
) -> dict[str, Any]:
    data = data_name(record)
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{slug(data)}/{model}/{now}",
        "evaluation_timestamp": record["date"],
        "retrieved_timestamp": str(now),
        "source_metadata": {
            "source_name": "records of tbpsbench",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": relation,
            "additional_details": {
                "ranks_sha256": record["evidence"]["sha256"],
                "config_sha256": record["config_sha256"],
                "code_commit": str(record["code"].get("commit")),
            },
        },
        "eval_library": {"name": "tbpsbench", "version": record["environment"]["tbpsbench"]},
        "model_info": {
            "name": record["name"],
            "id": model,
            "developer": model.partition("/")[0],
            "additional_details": {
                "seed": str(record["seed"]),
                "trained_on": str(record["spec"].get("trained_on", record["spec"]["data"])),
                "checkpoint_sha256": str(record["checkpoint"].get("sha256")),
                "parameters": str(record["cost"].get("parameters")),
                "selection": str(record["selection"]["rule"]),
                "notes": ", ".join(badges_of(record)),
            },
        },
        "evaluation_results": [
            _result(record, protocol, metric, dataset)
            for protocol, result in record["results"].items()
            for metric in result["scores"]
        ],
    }


def _result(record: Mapping[str, Any], protocol: str, metric: str, dataset: str | None) -> dict[str, Any]:
    result, split = record["results"][protocol], record["spec"]["split"]
    low, high = result["intervals_95"][metric]
    recall = _RECALL.fullmatch(metric)
    source = {
        "dataset_name": data_name(record),
        **({"source_type": "other"} if dataset is None
           else {"source_type": "hf_dataset", "hf_repo": dataset, "hf_split": split}),
        "additional_details": {"split": split, "annotations_sha256": annotations_sha256(record)},
    }  # fmt: skip
    return {
        "evaluation_result_id": f"{slug(protocol)}/{metric}",
        "evaluation_name": f"{data_name(record)}, {protocol}",
        "source_data": source,
        "evaluation_timestamp": record["date"],
        "metric_config": {
            "evaluation_description": f"text-based person search, track {record['track']}, protocol {protocol}: "
            f"{result['queries']} queries, {result['gallery']} images",
            "metric_id": "recall_at_k" if recall else METRICS.get(metric, f"tbpsbench.{metric}"),
            "metric_name": metric,
            "metric_kind": "recall" if recall else METRICS.get(metric, metric),
            "metric_unit": "percent",
            **({"metric_parameters": {"k": int(recall[1])}} if recall else {}),
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 100,
        },
        "score_details": {
            "score": result["scores"][metric],
            "uncertainty": {
                "confidence_interval": {
                    "lower": low,
                    "upper": high,
                    "confidence_level": 0.95,
                    "method": "percentile bootstrap over identities",
                },
                "num_samples": result["queries"],
                "num_bootstrap_samples": DRAWS,
            },
        },
    }
