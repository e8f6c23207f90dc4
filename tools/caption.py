"""Let a model write captions for the images of a data set: one file that training reads by name.

    python tools/caption.py CONFIG --dry-run             the prompts for one image, calls and price; nobody is asked
    python tools/caption.py CONFIG --preview 8           eight images, printed, not kept
    python tools/caption.py CONFIG                       all images; killed or stopped, it goes on when started again
    python tools/caption.py CONFIG --inspect             a sheet of images with captions, dropped answers and failures
    python tools/caption.py CONFIG --workers 8           eight shares at once; --launcher ray: over a cluster's machines
    python tools/caption.py CONFIG --shard 2/8           one of eight shares, however the others are started

The caption file is written when every image has a caption or a failure: data.captions=NAME or data.descriptions=NAME.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tbpsbench.cli import config_parser, run_tool
from tbpsbench.reading import given_path

if TYPE_CHECKING:
    from tbpsbench.captions.run import Plan
    from tbpsbench.mllm.meter import Meter


def main() -> int:
    parser = config_parser(__doc__ or "")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="print the prompts for one image, calls and price")
    what.add_argument("--preview", type=int, metavar="N", help="caption N images, print them, keep only the replies")
    what.add_argument("--inspect", action="store_true", help="draw captions, dropped answers and failures on a sheet")
    what.add_argument("--measure", action="store_true", help="compare the captions with MiniPEDES' stored factors")
    what.add_argument("--compact", action="store_true", help="write the run's records as one Parquet file")
    what.add_argument("--publish", action="store_true", help="write the caption file, if every image is done")
    parser.add_argument("--partial", action="store_true", help="write the caption file even if images are missing")
    parser.add_argument(
        "--resume",
        choices=("same", "always", "never"),
        default="same",
        help="go on with a run that was begun: if nothing that decides its texts has changed (default), in any case, "
        "or not",
    )
    parser.add_argument("--retry-failed", action="store_true", help="try images again that failed")
    parser.add_argument(
        "--shard", type=_shard, default=(0, 1), metavar="I/N", help="this process' share, from 1/N to N/N"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", default=1, help="processes, each with a share of the images"
    )
    parser.add_argument("--launcher", choices=("local", "ray"), default="local", help="where they run")
    parser.add_argument(
        "--own-cache", action="store_true",
        help="keep replies in a file of this share's own, as --launcher ray does: for machines that share a folder",
    )  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="caption at most N images now")
    parser.add_argument(
        "--out", type=given_path, metavar="FILE", help="for --inspect: the picture (default: in the run)"
    )
    args = parser.parse_args()
    for name in ("preview", "limit", "workers"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)}: must be at least 1")
    from tbpsbench.captions.run import make_plan
    from tbpsbench.captions.settings import read_settings
    from tbpsbench.config.load import load_config

    config = load_config(args.config, args.cfg_options)
    print(*config.notes, sep="\n", end="\n" * bool(config.notes))
    plan = make_plan(read_settings(config))
    if args.dry_run:
        return _dry_run(plan)
    if args.preview:
        return _preview(plan, args.preview)
    if args.inspect:
        from tbpsbench.visualize.captions import caption_sheet

        print(f"sheet: {caption_sheet(plan, args.out or plan.folder / 'sheet.png')}")
        return 0
    if args.measure:
        from tbpsbench.captions.measure import measured

        print(measured(plan))
        return 0
    if args.compact:
        from tbpsbench.captions.publish import compact

        print(f"records: {compact(plan.folder)}")
        return 0
    if args.publish:
        print(f"captions: {plan.publish(partial=args.partial)}")
        return 0
    if args.workers > 1 or args.launcher != "local":
        return _shares(plan, args, parser)
    return _caption(plan, args)


def _caption(plan: Plan, args: argparse.Namespace) -> int:
    """The run itself; returns the exit code."""
    from tbpsbench.captions.report import Progress
    from tbpsbench.captions.run import run
    from tbpsbench.mllm.meter import Meter

    meter = Meter(plan.settings.limits)
    progress = Progress(meter, plan.source.name)
    _use_retriever(plan)
    try:
        outcome = asyncio.run(
            run(
                plan,
                meter,
                shard=args.shard,
                resume=args.resume,
                retry_failed=args.retry_failed,
                limit=args.limit,
                own_cache=args.own_cache,
                finished=progress,
                started=progress.started,
            )
        )
    finally:
        progress.close()
    print(f"{plan.folder}: {progress.line()}")
    for reason, count in sorted(outcome.reasons.items(), key=lambda item: -item[1]):
        print(f"  failed, {reason}: {count}")
    if outcome.stopped is not None:
        left = plan.left()
        print(f"error: stopped with {left} images left: {outcome.stopped}", file=sys.stderr)
        print("What was finished is kept; the same command goes on with the rest.", file=sys.stderr)
        return outcome.stopped.exit_code
    if plan.left() and not args.partial:
        print(f"{plan.left()} images are left, of this shard or of others; the caption file is written when none is.")
        return 0
    path = plan.publish(partial=args.partial)
    print(f"captions: {path}   use it with data.captions={path.stem} or data.descriptions={path.stem}")
    return 0


def _shares(plan: Plan, args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """A process for each share; returns one exit code for all."""
    from tbpsbench.captions.run import prepare
    from tbpsbench.captions.shares import commands, left_of, worst
    from tbpsbench.captions.spent import spent_in
    from tbpsbench.launching import on_ray, on_this_machine
    from tbpsbench.mllm.meter import Meter

    if args.shard != (0, 1):
        parser.error("--shard is one share, --workers starts all of them: give one of the two")
    if args.limit is not None or args.partial:
        parser.error("--limit and --partial are for one process: give them without --workers")
    meter, budget = Meter(plan.settings.limits), plan.settings.budget
    commands(args.config, [], budget, args.workers)  # a budget that is too small is told before anything is asked
    asyncio.run(prepare(plan, meter, args.workers, args.resume))
    told = ["--resume", "always" if args.resume == "always" else "same"]  # whether they may begin has been found out
    told += ["--retry-failed"] * args.retry_failed + ["--own-cache"] * (args.own_cache or args.launcher == "ray")
    left = left_of(budget, spent_in(plan.folder))
    lines = commands(
        args.config, args.cfg_options, left, args.workers, told,
        lambda number: spent_in(plan.folder, f"{number}of{args.workers}"),
    )  # fmt: skip
    if args.launcher == "ray":
        answers = on_ray(lines)
        print(*(printed.rstrip() for _, printed in answers), sep="\n")
        codes = [code for code, _ in answers]
    else:
        codes = on_this_machine(lines)
    if failed := [number for number, code in enumerate(codes, start=1) if code]:
        print(f"error: {len(failed)} of {len(codes)} shares did not finish: {', '.join(map(str, failed))}; see above. "
              "The same command goes on with the rest.", file=sys.stderr)  # fmt: skip
    return worst(codes)


def _dry_run(plan: Plan) -> int:
    from tbpsbench.captions.report import dry_run

    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(dry_run(plan, Path(folder))))
    return 0


def _preview(plan: Plan, count: int) -> int:
    """Caption a few images into a folder that is thrown away; replies stay in the run's cache."""
    from dataclasses import replace

    from tbpsbench.captions.report import shown_record
    from tbpsbench.captions.run import preview, spread
    from tbpsbench.mllm.meter import Meter

    meter: Meter = Meter(plan.settings.limits)
    _use_retriever(plan)
    few = replace(plan, images=tuple(spread(plan.images, count)))
    with tempfile.TemporaryDirectory() as folder:
        outcome, lines = asyncio.run(preview(few, meter, Path(folder)))
    for line in lines:
        print(shown_record(line), end="\n\n")
    print(f"{outcome.made} captioned, {outcome.failed} failed, {meter.calls} calls, ${meter.usd:.4f}")
    if outcome.stopped is not None:
        raise outcome.stopped
    return 0


def _use_retriever(plan: Plan) -> None:
    """Let the source drop answers that a trained system finds unlike the image, if the config names one."""
    if plan.settings.retriever is None:
        return
    from tbpsbench.errors import ConfigError
    from tbpsbench.system import load_system

    if not hasattr(plan.source, "scorer"):
        raise ConfigError(f"retriever: {plan.settings.source['type']} asks no questions whose answers could be scored")
    system = load_system(plan.settings.retriever["checkpoint"])
    plan.source.scorer = lambda image, texts: system.similarity(list(texts), [image])[:, 0].tolist()


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r}: write 1/8 for the first of eight shares")
    return int(found[1]) - 1, int(found[2])


if __name__ == "__main__":
    run_tool(main)
