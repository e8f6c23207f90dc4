"""Say what is installed, where models can compute, and which optional parts are missing, with the command for each.

    python tools/doctor.py

Exits with 1 if a required package is missing or of another version.
"""

from __future__ import annotations

import argparse
import sys

from tbpsbench.cli import run_tool
from tbpsbench.parts import USES, devices, extras, machine, required


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for what, told in machine():
        print(f"{what:<12} {told}")
    parts = required()
    broken = [part for part in parts if not part.sound]
    if not parts:
        print("packages     unknown: tbpsbench is not installed. Install it: pip install -e .")
    print("\nrequired")
    for part in parts:
        wanted = "" if part.sound else f"   {part.wanted or 'any version'} is wanted"
        print(f"  {'ok' if part.sound else '!!'}  {part.name} {part.found or 'is missing'}{wanted}")
    if any(part.name == "torch" and part.found for part in parts) or not parts:
        print("\nmodels compute on")
        for device, told in devices():
            print(f"  {device:<8} {told}")
    print("\noptional")
    for extra in extras():
        print(f"  {'ok' if extra.sound else '--'}  {extra.name:<9} {USES.get(extra.name, '')}")
        for part in extra.parts:
            if not part.sound:
                old = f" {part.found} is too old or too new, {part.wanted} is wanted" if part.found else " is missing"
                print(f"                {part.name}{old}")
        if not extra.sound:
            print(f"                {extra.command}")
    if broken:
        print(f"{len(broken)} required packages are not as they should be: pip install -e .", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    run_tool(main)
