"""MiniPEDES: the data set that the package makes by itself, from a seed (see tbpsbench/minipedes)."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from tbpsbench.annotations import Annotations
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.errors import DataError
from tbpsbench.locking import exclusive
from tbpsbench.minipedes.arguments import what_is_wrong
from tbpsbench.registry import DATASETS


@DATASETS.register()
class MiniPEDES(PersonSearchDataset):
    """Drawn persons with generated captions; made on first use.

    Args:
        root: parent folder; each variant lies in a folder of its own below it, e.g. data/MiniPEDES/default-0.
        size: how much is made; see tbpsbench.minipedes.build.
        seed: another seed is another population.
        identities: number of identities instead of the size's own.
        domain: the look of the scenes.

    Raises:
        ValueError: if an argument makes no sense; nothing is made then.
    """

    name: ClassVar[str] = "MiniPEDES"

    def __init__(
        self,
        root: str = "data/MiniPEDES",
        size: str = "default",
        seed: int = 0,
        identities: int | None = None,
        domain: str = "street",
    ) -> None:
        if wrong := what_is_wrong(size, seed, identities, domain):
            raise ValueError(wrong)
        variant = [size, str(seed)]
        variant += [f"{identities}ids"] if identities is not None else []
        variant += [domain] if domain != "street" else []
        super().__init__(str(Path(root) / "-".join(variant)))
        self.size, self.seed, self.identities, self.domain = size, seed, identities, domain

    @property
    def population(self) -> str:
        """A person is drawn from the seed and its number, whatever the size and the domain of the set."""
        return f"{self.name}, seed {self.seed}"

    def prepare(
        self, *, splits_file: str | Path | None = None, allow_partial: bool = False, allow_missing: bool = False
    ) -> Path:
        if splits_file is not None or allow_partial or allow_missing:
            raise DataError(
                "MiniPEDES always comes whole, with its splits: leave out --splits, --allow-partial and --allow-missing"
            )
        from tbpsbench.minipedes.build import build

        # Two processes that find it missing (one per GPU, say) must not make it into one folder at once.
        with exclusive(self.root / ".build.lock"):
            return build(self.root, self.size, self.seed, identities=self.identities, domain=self.domain)

    def load(self, captions: str = "human") -> Annotations:
        """Read the annotation file of one caption source; descriptions of a simulated describer are made on demand.

        Args:
            captions: "human", "terse" (queries that say little), "descriptions" (the ground truth), or e.g.
                "descriptions-wrong20-missing10", see
                tbpsbench/minipedes/simulate.py.

        Raises:
            DataError: if there is no such source, or the files are damaged or of another version.
        """
        if not (self.root / "human.jsonl").is_file():
            self.prepare()
        path = self.root / f"{captions}.jsonl"
        if captions.startswith("descriptions-") and not path.is_file():
            self._describe(captions, path)
        if captions == "terse" and not path.is_file():
            self._tell_little(path)
        annotations = super().load(captions)
        self._check_version(annotations)
        return annotations

    def how_to_make(self, captions: str) -> str:
        """The command with the parent folder, and the arguments that are not the usual ones."""
        if captions != "human":
            return super().how_to_make(captions)
        asked = {"size": self.size, "seed": self.seed, "identities": self.identities, "domain": self.domain}
        usual = {"size": "default", "seed": 0, "identities": None, "domain": "street"}
        options = [f"{key}={value}" for key, value in asked.items() if value != usual[key]]
        words = [self.name, str(self.root.parent), *(["--dataset-options", *options] if options else [])]
        return f"Create it with: python tools/prepare_data.py {shlex.join(words)}"

    def _describe(self, captions: str, path: Path) -> None:
        from tbpsbench.minipedes.simulate import Describer, write_descriptions

        describer, human = Describer.named(captions, self.seed), self.load()
        with exclusive(self.root / ".build.lock"):
            if not path.is_file():
                write_descriptions(path, human, describer)

    def _tell_little(self, path: Path) -> None:
        from tbpsbench.minipedes.terse import write_terse

        human = self.load()
        with exclusive(self.root / ".build.lock"):
            if not path.is_file():
                write_terse(path, human, self.seed)

    def _check_version(self, annotations: Annotations) -> None:
        from tbpsbench.minipedes.build import VERSION

        made = annotations.header.get("made_from", {})
        if made.get("generator") == "tbpsbench.minipedes" and made.get("version") != VERSION:
            raise DataError(
                f"{annotations.path}: drawn by version {made.get('version')} of MiniPEDES, this program draws version "
                f"{VERSION}: numbers would not be comparable. Delete {self.root}; it will be drawn again."
            )
