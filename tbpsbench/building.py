"""How a wheel is built: configs/ and tools/ travel inside the package (see bundle.py). Used by setup.cfg alone."""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

FOLDERS = ("configs", "tools")
TARGET = ("tbpsbench", "bundle_files")


class BuildPy(build_py):
    """setuptools' own, and the files of configs/ and tools/."""

    def run(self) -> None:
        """Copy modules, then the bundled files; an editable install reads them where they are."""
        super().run()
        if not self.editable_mode:
            for source, target in self._bundled():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target, preserve_mode=False)

    def get_source_files(self) -> list[str]:
        """What a source distribution must hold."""
        return [*super().get_source_files(), *(source for source, _ in self._bundled())]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What an installation consists of."""
        own = [] if self.editable_mode else [target for _, target in self._bundled()]
        return [*super().get_outputs(include_bytecode), *own]

    def _bundled(self) -> list[tuple[str, str]]:
        """(source, target) of every bundled file."""
        target = Path(self.build_lib).joinpath(*TARGET)
        return [(str(path), str(target / path)) for name in FOLDERS for path in sorted(Path(name).rglob("*.py"))]
