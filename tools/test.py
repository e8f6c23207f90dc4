"""Evaluate a checkpoint on a split and print, or write, its record."""

from __future__ import annotations

from pathlib import Path

from tbpsbench.cli import config_parser, run_tool


def main() -> None:
    parser = config_parser(__doc__ or "", epilog="example:\n  python tools/test.py CONFIG work_dirs/demo/best.pth")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="a .pth or .safetensors file")
    parser.add_argument("--split", default="test", help="the split to evaluate (default: test)")
    parser.add_argument("--out", type=Path, help="folder for record.json and ranks.npz; printed only without it")
    parser.add_argument("--partial", action="store_true", help="evaluate although some weights are missing or unknown")
    parser.add_argument(
        "--allow-leak", action="store_true", help="evaluate although the leak guard objects; marks the record"
    )
    parser.add_argument("--skip-unmatched", action="store_true", help="skip queries without a match, and count them")
    args = parser.parse_args()
    flags = [f"evaluation.{name}=True" for name in ("allow_leak", "skip_unmatched") if getattr(args, name)]
    from tbpsbench.config.check import require_valid
    from tbpsbench.config.load import load_config

    config = load_config(args.config, [*args.cfg_options, *flags])
    require_valid(config)
    from tbpsbench.engine.checkpoint import load_model
    from tbpsbench.engine.cost import model_cost, peak_memory
    from tbpsbench.engine.evaluate import evaluate
    from tbpsbench.engine.train import build_run
    from tbpsbench.records.make import make_record, write_record
    from tbpsbench.records.table import print_record
    from tbpsbench.weights.load import weight_file

    weights = weight_file(args.checkpoint)
    run = build_run(config)
    report = load_model(run.model, weights, partial=args.partial)
    if not report.complete:
        print(report)
    record, evidence = make_record(
        name=run.name,
        config=run.values,
        checkpoint=weights,
        data=run.data,
        evaluation=evaluate(run.model, run.data, args.split, run.values["evaluation"]),
        selection={"rule": "given", "complete": report.complete},
        cost={**model_cost(run.model, run.data), "peak_memory_bytes": peak_memory()},
    )
    if args.out:
        write_record(args.out, record, evidence)
    print_record(record, args.out / "record.json" if args.out else None)


if __name__ == "__main__":
    run_tool(main)
