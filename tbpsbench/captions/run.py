"""A run of captions from its config to its file: what is to be done, who is asked, and doing it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpsbench.annotations import Annotations
from tbpsbench.captions.ask import Asker
from tbpsbench.captions.generate import Done, Outcome, generate, made_with, of_shard
from tbpsbench.captions.generated import GeneratedSource, Study
from tbpsbench.captions.manifest import Made, Resume, fingerprints_in, images_sha256, open_manifest
from tbpsbench.captions.publish import publish, require_own
from tbpsbench.captions.replaced import require_same_pictures
from tbpsbench.captions.settings import CaptionSettings, build_dataset, build_source, with_annotations
from tbpsbench.captions.spent import accounted
from tbpsbench.captions.store import KEY, Store, read_lines
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.files import sha256_file, storage_error
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.errors import StopRun
from tbpsbench.mllm.meter import Meter
from tbpsbench.mllm.open import open_client
from tbpsbench.model.roles import QUERY
from tbpsbench.types import Caption, ImageRecord

CACHE = "replies.sqlite"
Clients = dict[str, MLLMClient]


@dataclass(frozen=True)
class Plan:
    """What a config asks for.

    Attributes:
        settings: the config.
        dataset, human: the images and their own captions.
        source: what is asked.
        images: that are captioned, of every shard.
        folder: of the run.
    """

    settings: CaptionSettings
    dataset: PersonSearchDataset
    human: Annotations
    source: GeneratedSource
    images: tuple[ImageRecord, ...]
    folder: Path

    @property
    def path(self) -> Path:
        """The caption file that comes of it."""
        return self.dataset.root / f"{self.source.name}.jsonl"

    def training_captions(self) -> list[Caption]:
        """What a source may study: query captions of the training split, and no others."""
        return [c for record in self.human.split("train") for c in record.captions if c.role == QUERY]

    def publish(self, *, partial: bool = False) -> Path:
        """Write the caption file.

        Raises:
            DataError: if images are missing and it may not be partial.
            StorageError: if it cannot be written.
        """
        about = self.source.about(self.folder)
        kind = self.settings.source["type"]
        return publish(self.path, self.folder, kind, self.human, self.images, about=about, partial=partial)

    def left(self) -> int:
        """Images that have neither a record nor a failure, over all shards."""
        there = {line[KEY] for kind in ("records", "failed") for line in read_lines(self.folder, kind)}
        return sum(image.file not in there for image in self.images)


def make_plan(settings: CaptionSettings, dataset: PersonSearchDataset | None = None) -> Plan:
    """What a config asks for; reads the annotations, asks nobody.

    Args:
        settings: the config.
        dataset: the images, instead of those that the config names.

    Raises:
        ConfigError, DataError: if the data or the source cannot be had.
    """
    dataset, source = dataset or build_dataset(settings), build_source(settings)
    human = dataset.load()
    known = human.splits()
    if strange := [split for split in settings.splits if split not in known]:
        raise DataError(f"{human.path}: no images in the split {strange[0]!r}; there are: {', '.join(known)}")
    images = tuple(record for record in human.records if record.split in settings.splits)
    if not (human.image_root / (images[0].file if images else "")).exists():
        raise DataError(f"{human.image_root / images[0].file}: no such image. Put the images where the data set says.")
    if not images:
        raise DataError("splits is empty: name whose images are captioned, e.g. splits=('train',)")
    plan = Plan(settings, dataset, human, source, images, settings.folder(dataset, source))
    if plan.path.resolve() == human.path.resolve():
        raise ConfigError(
            f"source.name: {source.name!r} would put the generated captions in the place of the data set's own, "
            f"{human.path}. Choose another name."
        )
    return plan


@asynccontextmanager
async def open_clients(plan: Plan, meter: Meter, folder: Path | None, kept_in: str = CACHE) -> AsyncIterator[Clients]:
    """The clients of a run; equal ones are one, so that they share what they learn about a server.

    Args:
        plan: of the run.
        meter: counts for all of them.
        folder: where replies are kept; None keeps none.
        kept_in: file of the replies there.
    """
    settings, opened = plan.settings, dict[str, MLLMClient]()
    async with AsyncExitStack() as stack:
        clients: Clients = {}
        for who, config in settings.clients(plan.source.clients).items():
            config = with_annotations(config, plan.human.path)
            key = json.dumps(config, sort_keys=True, default=str)
            if key not in opened:
                cache = folder / kept_in if folder is not None and settings.cache else None
                recording = folder / f"replies-{who}.jsonl" if folder is not None and settings.recording else None
                client = open_client(config, who, meter=meter, cache=cache, recording=recording)
                opened[key] = await stack.enter_async_context(client)
            clients[who] = opened[key]
        yield clients


async def run(
    plan: Plan,
    meter: Meter,
    *,
    shard: tuple[int, int] = (0, 1),
    resume: Resume = "same",
    retry_failed: bool = False,
    limit: int | None = None,
    own_cache: bool = False,
    finished: Done | None = None,
    started: Any = None,
) -> Outcome:
    """Caption what is left to caption.

    Args:
        plan: what.
        meter: counts calls, tokens and money.
        shard: (number, count) of this process' share.
        resume: whether a run that was begun may go on.
        retry_failed: try images again that failed; those that may succeed later, or failed with other models, prompts
            or decoding, are tried in any case.
        limit: images at most.
        own_cache: keep replies in a file of this share's own; SQLite's is for the processes of one machine.
        finished: called after each image.
        started: called with (images of this shard, images that have a record or a failure) before the first.

    Returns:
        What was done, and why it stopped early if it did.

    Raises:
        ConfigError: if the run must not go on.
        DataError: if pictures were replaced since, or the caption file's place is taken.
        StorageError: if the folder cannot be written.
        StopRun: if models cannot be asked at all.
    """
    name = f"{shard[0]}of{shard[1]}"
    with Store(plan.folder, shard) as store, accounted(plan.folder, name, meter, whole=shard[1] == 1):
        kept_in = f"replies-{name}.sqlite" if own_cache else CACHE
        require_same_pictures(plan.human.image_root, store.pictures)
        async with open_clients(plan, meter, plan.folder, kept_in) as clients:
            await _begun(plan, clients, shard[1], resume)
            own = of_shard(plan.images, shard)
            made = made_with(plan.source, clients, plan.settings.decoding)
            todo = [image for image in own if _is_open(image, store, retry_failed, made)]
            if started is not None:
                started(len(own), len(own) - len(todo))
            return await generate(
                plan.source, todo[:limit], plan.human.image_root, clients, store, plan.settings.decoding,
                at_once=plan.settings.images_at_once, again=retry_failed, finished=finished,
            )  # fmt: skip


async def prepare(plan: Plan, meter: Meter, shards: int, resume: Resume = "same") -> None:
    """All that comes before the first image, once for several processes: whether they may begin, what a source studies.

    Raises:
        ConfigError, StorageError, StopRun: as `run`.
    """
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(plan.folder, error) from error
    with accounted(plan.folder, "prepare", meter, whole=True):
        async with open_clients(plan, meter, plan.folder) as clients:
            await _begun(plan, clients, shards, resume)


async def _begun(plan: Plan, clients: Clients, shards: int, resume: Resume) -> None:
    abilities = await probe(clients)
    about = {"capabilities": abilities, "shards": shards, "settings": _shown(plan.settings)}
    made = what_decides(plan, clients)
    require_own(plan.path, [made.fingerprint, *fingerprints_in(plan.folder)])
    open_manifest(plan.folder, made, about, resume)
    asker = Asker(clients, plan.settings.decoding)
    await plan.source.study(Study(plan.human, plan.folder, asker, plan.training_captions()))


async def preview(plan: Plan, meter: Meter, folder: Path) -> tuple[Outcome, list[dict[str, Any]]]:
    """Caption the images of a plan into another folder; replies come from the run's cache and go there.

    Returns:
        What was done, and the records and failures.

    Raises:
        StorageError, StopRun: as `run`.
    """
    with Store(folder) as store, accounted(plan.folder, "preview", meter, whole=True):
        async with open_clients(plan, meter, plan.folder) as clients:
            await probe(clients)
            await plan.source.study(
                Study(plan.human, folder, Asker(clients, plan.settings.decoding), plan.training_captions())
            )
            outcome = await generate(
                plan.source, plan.images, plan.human.image_root, clients, store, plan.settings.decoding,
                at_once=plan.settings.images_at_once,
            )  # fmt: skip
            return outcome, [*store.records(), *store.failures()]


async def probe(clients: Mapping[str, MLLMClient]) -> dict[str, Any]:
    """What each client can do, for the manifest.

    Raises:
        StopRun: if one cannot be asked, or who must look at images cannot.
    """
    found, seen = {}, dict[int, Any]()
    for who, client in clients.items():
        if id(client) not in seen:
            seen[id(client)] = await client.probe()
        if who == "mllm" and not seen[id(client)].images:
            raise StopRun(
                f"{client.name} takes no images",
                "Name a multimodal model in mllm=dict(model=...), or serve it with one",
            )
        found[who] = seen[id(client)].plain()
    return found


def what_decides(plan: Plan, clients: Mapping[str, MLLMClient]) -> Made:
    """What decides the texts of a run."""
    settings = plan.settings
    return Made(
        source=settings.source,
        dataset={key: value for key, value in settings.dataset.items() if key != "root"},
        annotations_sha256=plan.human.sha256,
        splits=settings.splits,
        images_sha256=images_sha256(plan.images),
        prompts={p.name: {"version": p.version, "text": p.text} for p in plan.source.prompts()},
        models={
            who: {"model": client.name, "simulated": client.describe().get("simulated", False)}
            for who, client in clients.items()
        },
        decoding=dict(vars(settings.decoding)),
        retriever=settings.retriever and _hashes(Path(settings.retriever["checkpoint"])),
    )


def _hashes(system: Path) -> dict[str, str]:
    """Of a checkpoint, or of the files of a saved system's folder."""
    files = sorted(path for path in system.rglob("*") if path.is_file()) if system.is_dir() else [system]
    return {path.name: sha256_file(path) for path in files}


def spread(images: Iterable[ImageRecord], count: int) -> list[ImageRecord]:
    """So many images, evenly from the whole list."""
    every = list(images)
    step = max(1, len(every) // max(1, count))
    return every[::step][:count]


def _is_open(image: ImageRecord, store: Store, retry_failed: bool, made: Mapping[str, Any]) -> bool:
    if image.file in store.done:
        return False
    failure = store.failed.get(image.file)
    if failure is None or retry_failed or failure.get("retry_later"):
        return True
    return any(failure.get(key) != value for key, value in made.items())


def _shown(settings: CaptionSettings) -> dict[str, Any]:
    """What decides no text, as plain data."""
    return {
        "images_at_once": settings.images_at_once, "budget": settings.budget, "cache": settings.cache,
        "retriever": settings.retriever,
    }  # fmt: skip
