"""Evaluate a trained system on a data set and print, or write, its record.

    python tools/test.py work_dirs/demo/best.pth                            the data that it was trained on
    python tools/test.py configs/mini/two-tower_mini-pedes.py best.pth      the data and evaluation of this config

Model, tokenizer and preprocessing always come from the checkpoint.
"""

from __future__ import annotations

import argparse

from tbpsbench.cli import add_checkpoint_arguments, run_tool
from tbpsbench.reading import given_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkpoint_arguments(parser)
    parser.add_argument("--split", default="test", help="the split to evaluate (default: test)")
    parser.add_argument("--out", type=given_path, help="folder for record.json and ranks.npz; printed only without it")
    parser.add_argument(
        "--allow-leak", action="store_true", help="evaluate although the leak guard objects; marks the record"
    )
    parser.add_argument("--skip-unmatched", action="store_true", help="skip queries without a match, and count them")
    parser.add_argument(
        "--rerank",
        nargs="+",
        default=[],
        metavar="NAME",
        help="re-rankers that order the results anew, one after the other, e.g. KReciprocal (track rerank; what "
        "looks at vectors instead of scores can only come first); with other "
        "settings than their own: --cfg-options \"evaluation.rerank=[dict(type='KReciprocal', k1=10)]\"",
    )
    parser.add_argument(
        "--interactor",
        metavar="NAME",
        help="who talks about the queries, e.g. MTI (track interactive); models and rules by --cfg-options "
        "\"evaluation.interactor.mllm=dict(type='OpenAICompatible', ...)\" (docs/interaction.md)",
    )
    args = parser.parse_args()
    flags = [f"evaluation.{name}=True" for name in ("allow_leak", "skip_unmatched") if getattr(args, name)]
    flags += [f"evaluation.rerank={[{'type': name} for name in args.rerank]!r}"] if args.rerank else []
    if args.interactor:
        flags.insert(0, f"evaluation.interactor={{'type': {args.interactor!r}}}")
    from mmengine.dist import is_main_process

    from tbpsbench.engine.cost import model_cost, peak_memory
    from tbpsbench.engine.evaluate import evaluate
    from tbpsbench.engine.record import record_of, require_recordable
    from tbpsbench.engine.trained import known_texts, open_trained
    from tbpsbench.records.make import require_place, write_record
    from tbpsbench.records.table import print_record
    from tbpsbench.system_files import checkpoint_file

    trained = open_trained(args.checkpoint, args.config, [*flags, *args.cfg_options])
    if is_main_process():
        print(*trained.notes, sep="\n", end="\n" * bool(trained.notes))
    system, data = trained.system, trained.data
    require_recordable(system, args.out)
    require_place(args.out, system.name)
    record, evidence = record_of(
        system,
        trained.settings,
        data,
        evaluate(system.model, data, args.split, trained.settings.evaluation, known_texts(system, data)),
        checkpoint=checkpoint_file(args.checkpoint),
        selection={"rule": "given", "complete": system.notes.get("converted", {}).get("complete", True)},
        cost={**model_cost(system.model, data, args.split), "peak_memory_bytes": peak_memory()},
    )
    if not is_main_process():
        return  # all have evaluated their shares, the first tells the result
    if args.out:
        write_record(args.out, record, evidence)
    print_record(record, args.out / "record.json" if args.out else None)


if __name__ == "__main__":
    run_tool(main)
