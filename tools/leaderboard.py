"""Train suites, and keep boards that anybody can check: run, render, verify, compare, doctor, submit, export."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tbpsbench.cli import run_tool
from tbpsbench.errors import ConfigError
from tbpsbench.reading import given_path

RECORDS = Path("benchmarks/records")


def main() -> int | None:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(
        dest="kind", required=True, metavar="run | render | verify | compare | doctor | submit | export"
    )
    run = kinds.add_parser("run", help="train and evaluate every run that has no record yet; safe to kill and restart")
    run.add_argument("suite", metavar="SUITE", type=given_path, help="e.g. configs/leaderboards/mini.py")
    run.add_argument("--work", type=given_path, default=Path("work_dirs/leaderboard"), help="where runs are kept")
    run.add_argument("--launcher", choices=["local", "ray", "slurm"], default="local")
    run.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the work")
    run.add_argument("--slurm", nargs="+", default=[], metavar="KEY=VALUE", help="parameters of submitit")
    render = kinds.add_parser(
        "render",
        help="write Markdown, CSV, LaTeX and one HTML page from records",
        epilog="Records that cannot be shown are left out and named on the standard error; the exit status stays 0.",
    )
    render.add_argument("--out", type=given_path, required=True, metavar="FOLDER")
    render.add_argument(
        "--published", type=given_path, metavar="FOLDER", help="rows from papers, e.g. benchmarks/published"
    )
    render.add_argument("--title", default="tbpsbench leaderboard")
    verify = kinds.add_parser("verify", help="recompute every number of records, check schema, counts and hashes")
    verify.add_argument("--rebuild", action="store_true", help="redraw MiniPEDES and compare its annotations")
    verify.add_argument("--checkpoint", type=given_path, metavar="FILE", help="the checkpoint behind a single record")
    verify.add_argument("--rescore", action="store_true", help="for a single record: evaluate its checkpoint again")
    verify.add_argument("--data", metavar="ROOT", help="folder of the data set, where it is not the usual one")
    verify.add_argument("-v", "--verbose", action="store_true", help="show all that was checked, and what could not be")
    doctor = kinds.add_parser("doctor", help="list what a reviewer would object to in these records")
    export = kinds.add_parser("export", help="write records in the form of another board; they must verify")
    export.add_argument("--form", choices=["hugging-face", "every-eval-ever"], required=True)
    export.add_argument(
        "--out", type=given_path, required=True, metavar="FOLDER", help="e.g. a clone of the repository"
    )
    export.add_argument("--dataset", metavar="OWNER/NAME", help="the data set's repository on Hugging Face")
    export.add_argument("--url", help="where the records can be had (hugging-face)")
    export.add_argument("--model", metavar="OWNER/NAME", help="the model (every-eval-ever)")
    export.add_argument("--organization", metavar="NAME", help="who provides the results (every-eval-ever)")
    export.add_argument(
        "--relation",
        choices=["first_party", "third_party", "collaborative", "other"],
        help="what the evaluator has to do with the model (every-eval-ever)",
    )
    export.add_argument("--overwrite", action="store_true", help="replace files of these names")
    for kind in (render, verify, doctor, export):
        kind.add_argument(
            "records", type=given_path, metavar="RECORDS", help="a record's folder, or a folder of records"
        )
    compare = kinds.add_parser("compare", help="test whether system A beats system B, over identities and seeds")
    compare.add_argument("a", metavar="A", help="name of a system in --records, or a folder of its records")
    compare.add_argument("b", metavar="B")
    compare.add_argument("--data", help="the data set, if a named system has records on several")
    compare.add_argument("--metric", default="R@1")
    compare.add_argument("--protocol", default="standard")
    compare.add_argument("--allow", nargs="+", default=[], metavar="KEY", help="what may differ between A and B")
    submit = kinds.add_parser("submit", help="check a third party's records and add them")
    submit.add_argument("folder", metavar="RECORD", type=given_path)
    for kind in (run, compare, submit):
        kind.add_argument("--records", type=given_path, default=RECORDS, metavar="FOLDER", help=f"default {RECORDS}")
    args = parser.parse_args()
    code: int | None = globals()[f"_{args.kind}"](args)
    return code


def _run(args: argparse.Namespace) -> None:
    from tbpsbench.leaderboard.suite.read import not_evaluated, read_suite
    from tbpsbench.leaderboard.suite.run import SLURM_LOGS, run_on_ray, run_on_slurm, run_suite, run_workers

    if args.slurm and args.launcher != "slurm":
        raise ConfigError(f"--slurm {' '.join(args.slurm)}: is for --launcher slurm, which is not given")
    places = (args.suite, args.records, args.work)
    if args.launcher == "slurm":
        jobs = ", ".join(run_on_slurm(*places, args.workers, args.slurm))
        print(f"submitted: {jobs}; what they print is in {args.work / SLURM_LOGS}")
        return
    if args.launcher == "ray":
        run_on_ray(*places, args.workers)
    elif args.workers == 1:
        run_suite(*places)
    else:
        run_workers(*places, args.workers)
    print(f"every run of {args.suite} has its records in {args.records}")
    for line in not_evaluated(read_suite(args.suite)):
        print(line)


def _render(args: argparse.Namespace) -> None:
    from tbpsbench.leaderboard.render import render
    from tbpsbench.leaderboard.render.collect import collect

    board = collect(args.records, args.published)
    there = os.path.relpath(args.records, args.out)
    for path in render(board.rows, board.records, args.out, args.title, records_at=Path(there).as_posix()):
        print(f"wrote {path}")
    if board.found.left_out:
        # Not a failure: whoever hands in an odd record must not keep others from their board.
        print(board.found.report(), file=sys.stderr)


def _verify(args: argparse.Namespace) -> int:
    from tbpsbench.leaderboard.verify.group import verify_all, verify_one
    from tbpsbench.records.read import find_records

    count = len(find_records(args.records))
    if count != 1 and (args.checkpoint or args.rescore):
        raise ConfigError(f"--checkpoint and --rescore are for one record; {args.records} holds {count}")
    if count == 1:
        found = verify_one(args.records, args.checkpoint, again=args.rescore, data=args.data, rebuild=args.rebuild)
    else:
        found = verify_all(args.records, data=args.data or "auto", rebuild=args.rebuild)
    print(found.report(verbose=args.verbose))
    return 0 if found.ok else 1


def _compare(args: argparse.Namespace) -> None:
    from tbpsbench.leaderboard.compare.compare import compare
    from tbpsbench.leaderboard.compare.system import find_system

    a, b = (find_system(name, args.records, args.data) for name in (args.a, args.b))
    print(compare(a, b, args.metric, args.protocol, allow=args.allow).report())


def _doctor(args: argparse.Namespace) -> int:
    from tbpsbench.leaderboard.doctor.doctor import doctor

    found = doctor(args.records)
    print(found.report())
    return 1 if found.serious or found.unread else 0


def _export(args: argparse.Namespace) -> None:
    from tbpsbench.leaderboard.exchange.export import export

    for path in export(
        args.records, args.out, args.form, model=args.model, dataset=args.dataset, url=args.url,
        organization=args.organization, relation=args.relation, overwrite=args.overwrite,
    ):  # fmt: skip
        print(f"wrote {path}")


def _submit(args: argparse.Namespace) -> None:
    from tbpsbench.leaderboard.verify.submit import submit

    print(submit(args.folder, args.records).report())


if __name__ == "__main__":
    run_tool(main)
