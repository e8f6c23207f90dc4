"""Whether `benchmarks/published/` says what the papers' tables say, and lists where sources contradict each other.

    python benchmarks/check_published.py [--json] [--papers benchmarks/published/printed] [--write-conflicts]

The CSVs must read; `conflicts.csv` must be what the other files give; every row and number of the papers' tables must
stand in the CSVs and the other way round. The tables alone are part of this repository; `--papers` names a folder with
the papers' whole texts. Nothing here is timed; `ratios` is empty.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from _common import environment, parser

from tbpsbench.errors import DataError
from tbpsbench.files import atomic_write
from tbpsbench.leaderboard.published.papers import check_against_papers, paper_files, read_paper, short_name
from tbpsbench.leaderboard.published.read import CONFLICTS, conflicts, conflicts_csv, read_lines, read_published
from tbpsbench.reading import read_text

HERE = Path(__file__).parent
PUBLISHED = HERE / "published"
PAPERS = PUBLISHED / "printed"


def check(folder: Path, papers: Path) -> tuple[list[str], dict[str, Any]]:
    """Print what is compared.

    Returns:
        The problems, and how much was compared.
    """
    lines, found = read_lines(folder), conflicts(read_published(folder))
    for name, rows in Counter(Path(line.place.rpartition(":")[0]).name for line in lines).items():
        print(f"  {rows:4d} rows   {name}")
    print(f"  {len(lines):4d} rows   in all, {len(found)} numbers of one system differ between sources ({CONFLICTS})")
    problems = []
    if read_text(folder / CONFLICTS) != conflicts_csv(found):
        problems.append(f"{folder / CONFLICTS}: not what the other files give: run with --write-conflicts")
    counts: dict[str, Any] = {"rows": len(lines), "conflicts": len(found), "papers": {}}
    for path in paper_files(papers):
        printed = read_paper(path)
        numbers = sum(bool(value) for row in printed for value in row.scores.values())
        tables = len({row.key[1] for row in printed})
        print(f"{path}: {tables} tables, {len(printed)} rows and {numbers} numbers compared, both ways")
        counts["papers"][short_name(path)] = {"tables": tables, "rows": len(printed), "numbers": numbers}
    return problems + check_against_papers(folder, papers), counts


def main() -> None:
    """Check, report, and exit with 1 if there is a problem."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--papers", type=Path, default=PAPERS, help="folder with texts NNN_*.txt")
    arguments.add_argument("--published", type=Path, default=PUBLISHED, help="folder with the CSVs")
    arguments.add_argument("--write-conflicts", action="store_true", help=f"write {CONFLICTS} again first")
    options = arguments.parse_args()
    try:
        if options.write_conflicts:
            with atomic_write(options.published / CONFLICTS, "w") as stream:
                stream.write(conflicts_csv(conflicts(read_published(options.published))))
        print(f"{options.published}:")
        problems, counts = check(options.published, options.papers)
    except DataError as error:
        sys.exit(f"{error}")
    for problem in problems:
        print(f"PROBLEM {problem}")
    print(f"{len(problems)} problems" if problems else "no problem found")
    if options.json:
        result = {"name": "check_published", "ratios": {}, **counts, "problems": problems, "environment": environment()}
        print(json.dumps(result))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
