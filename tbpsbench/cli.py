"""What all tools share: `--cfg-options`, one way to print errors, one console.

Exit codes: 0 done, 1 the machine refused (disk, permission) or a check failed, 2 the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from tbpsbench.errors import TBPSError


def run_tool(main: Callable[[], int | None]) -> NoReturn:
    """Run a tool's main function; an error that the user can act on is printed without a traceback."""
    try:
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
    _add_overrides(parser, "e.g. model.losses.itc.temperature=0.05 data.batch_size=32 model.fuser=None")


def _add_overrides(parser: argparse.ArgumentParser, examples: str) -> None:
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
        help="a checkpoint (best.pth), a run's folder, or a folder that System.save wrote; everything but the data "
        "comes from it",
    )
    _add_overrides(parser, "e.g. data.dataset.root=/data/CUHK-PEDES evaluation.ties=expected data.num_workers=4")
