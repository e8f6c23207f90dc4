"""What all tools share: `--cfg-options`, one way to print errors; and `tbpsbench TOOL ...`, which runs any of them.

Exit codes: 0 done, 1 the machine refused (disk, permission) or a check failed, 2 the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tbpsbench import __version__, bundle
from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import TBPSError
from tbpsbench.processes import end_with_starter
from tbpsbench.progress import no_bars_in_logs
from tbpsbench.reading import MAX_SHOWN, given_path, read_text, require_text, shown


def run_tool(main: Callable[[], int | None]) -> NoReturn:
    """Run a tool's main function; an error that the user can act on is printed without a traceback.

    A tool that another of ours or torchrun has started ends with it, even where that is killed.
    """
    end_with_starter()
    no_bars_in_logs()
    try:
        for argument in sys.argv[1:]:
            require_text(argument, f"the argument {shown(argument)[:MAX_SHOWN]}")
        code = main() or 0
    except TBPSError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        # The reader (`| head`) has gone; nothing is left to say.
        sys.stderr.close()
        code = 0
    sys.exit(code)


def config_parser(description: str, **kwargs: Any) -> argparse.ArgumentParser:
    """A parser for tools that take a config: CONFIG and --cfg-options."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
    )
    add_config_arguments(parser)
    return parser


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG and --cfg-options to a parser or sub-parser."""
    parser.add_argument("config", metavar="CONFIG", help="a config file, e.g. configs/mini/two-tower_mini-pedes.py")
    add_overrides(parser, "e.g. model.losses.itc.temperature=0.05 data.batch_size=32 model.fuser=None")


def add_overrides(parser: argparse.ArgumentParser, examples: str) -> None:
    """Add --cfg-options to a parser or sub-parser; `examples` of values come into its help."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",  # a second --cfg-options adds to the first
        default=[],
        metavar="KEY=VALUE",
        help=f"override values of the config, {examples}; a value is a Python literal, anything else is taken as text",
    )


def add_checkpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """Add [CONFIG] CHECKPOINT and --cfg-options to a parser or sub-parser."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        nargs="?",
        help="a config that names the data and the evaluation; by default those that the system was trained with",
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=given_path,
        help="a checkpoint (best.pth), a run's folder, or a folder that System.save or tools/export.py wrote; "
        "everything but the data comes from it",
    )
    add_overrides(parser, "e.g. data.dataset.root=/data/CUHK-PEDES evaluation.ties=expected data.num_workers=4")


def add_tuning(parser: argparse.ArgumentParser, name: str, examples: str) -> None:
    """Add what trying settings on the validation split takes; `name` and `examples` come into the help."""
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=given_path, help="a checkpoint, or the folder of a run or a system"
    )
    parser.add_argument("name", metavar="NAME", help=name)
    parser.add_argument("--config", help="a config that names other data, of which the validation split is used")
    parser.add_argument(
        "--by", metavar="SCORE", help="what is best, e.g. mAP (default: the config's evaluation.metric)"
    )
    parser.add_argument("--out", type=given_path, metavar="JSON", help="file for all results")
    add_overrides(parser, examples)


def main() -> NoReturn:
    """The console script: `tbpsbench train CONFIG` is `python tools/train.py CONFIG`, from any folder."""
    tools = {path.stem: path for path in sorted(bundle.folder("tools").glob("*.py"))}
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(_usage(tools))
        sys.exit(0)
    if name == "--version":
        print(f"tbpsbench {__version__}")
        sys.exit(0)
    if name == "configs":
        sys.exit(_list_configs(arguments))
    if name not in tools:
        known = (*tools, "configs")
        print(f"error: tbpsbench has no tool {name!r}.{did_you_mean(name, known)} Tools: {', '.join(known)}",
              file=sys.stderr)  # fmt: skip
        sys.exit(2)
    sys.argv = [f"tbpsbench {name}", *arguments]
    spec = importlib.util.spec_from_file_location(f"tbpsbench_tool_{name}", tools[name])
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    run_tool(tool.main)


def _usage(tools: dict[str, Path]) -> str:
    width = max(map(len, tools))
    lines = [f"  {name:<{width}}  {_about(path)}" for name, path in tools.items()]
    lines.append(f"  {'configs':<{width}}  List the packaged configs; another word on the line filters them.")
    return "\n".join(
        [
            f"tbpsbench {__version__}: text-based person search, plug-ins and a leaderboard",
            "",
            "usage: tbpsbench TOOL ...      tbpsbench TOOL --help",
            "",
            *lines,
            "",
            f"A config is a file, or a packaged one: tbpsbench train {bundle.PREFIX}mini/two-tower_mini-pedes.py",
        ]
    )


def _about(path: Path) -> str:
    """The first sentence of a tool's docstring; the tool is not run."""
    text = ast.get_docstring(ast.parse(read_text(path))) or ""
    return re.split(r"(?<=[.?])\s", " ".join(text.split()))[0]


def _list_configs(words: list[str]) -> int:
    found = [name for name in bundle.configs() if all(word in name for word in words)]
    print(*(f"{bundle.PREFIX}{name}" for name in found), sep="\n", end="\n" * bool(found))
    return 0 if found else 1
