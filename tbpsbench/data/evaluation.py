"""Evaluation: the queries and galleries of a data set, as one system reads them; nothing random.

Nothing that only training uses is read: no training text is tokenised, no training image decoded.
"""

from __future__ import annotations

from functools import cached_property

from tbpsbench.annotations import Annotations
from tbpsbench.config.schema import DataSection
from tbpsbench.data.cache import FIX
from tbpsbench.data.eval_set import GallerySet, QuerySet
from tbpsbench.data.images import DecodedImages, ImageReader, bad_images_error
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.data.sources import Sources, read_sources
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.base import Tokenizer


class EvaluationData:
    """Every split of a data set as queries and gallery.

    Args:
        sources: the data set's text files.
        texts: tokenises, each text once.
        preprocess: how the system looks at pictures.
        images: decoded images by image_id; None reads the files of a gallery when it is embedded.
        num_workers: loader processes.
    """

    def __init__(
        self,
        sources: Sources,
        texts: TextStore,
        preprocess: Preprocess,
        images: ImageReader | None = None,
        num_workers: int = 0,
    ) -> None:
        self.sources, self.texts, self.preprocess, self.num_workers = sources, texts, preprocess, num_workers
        self._images = images
        self._galleries: dict[str, GallerySet] = {}
        self._queries: dict[str, QuerySet] = {}

    @property
    def name(self) -> str:
        """What tables call these data."""
        return self.sources.name

    @property
    def annotations(self) -> Annotations:
        """Images and query captions."""
        return self.sources.annotations

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.preprocess.size

    @property
    def tokenizer(self) -> Tokenizer:
        """The system's."""
        return self.texts.tokenizer

    def queries(self, split: str) -> QuerySet:
        """The query captions of a split.

        Raises:
            DataError: if the split has no images or no query captions.
        """
        if split not in self._queries:
            self._queries[split] = QuerySet(self.annotations, split, self.texts)
        return self._queries[split]

    def gallery(self, split: str) -> GallerySet:
        """The images of a split, with the texts that the gallery side may use.

        Raises:
            DataError: if the split has no images, or files are missing.
        """
        if split not in self._galleries:
            extra = [self.sources.gallery_texts] if self.sources.gallery_texts else []
            gallery = GallerySet(self.annotations, split, self._reader, self.preprocess.fixed, extra, self.texts)
            if self._images is None:
                self._require_files(gallery)
            self._galleries[split] = gallery
        return self._galleries[split]

    @cached_property
    def _reader(self) -> ImageReader:
        if self._images is not None:
            return self._images
        files = [record.file for record in self.annotations.records]
        root = self.annotations.image_root
        return DecodedImages(root, files, self.preprocess.size, self.preprocess.interpolation)

    def _require_files(self, gallery: GallerySet) -> None:
        """Say at once which files are missing or empty, instead of at the first one that is asked for."""
        root, bad = self.annotations.image_root, []
        for record in gallery.records:
            try:
                if (root / record.file).stat().st_size == 0:
                    bad.append((record.file, "empty file (0 bytes)"))
            except OSError as error:
                bad.append((record.file, error.strerror or str(error)))
        if bad:
            raise bad_images_error(bad, root, FIX)


def evaluation_data(
    section: DataSection, gallery_texts: str | None, texts: TextStore, preprocess: Preprocess
) -> EvaluationData:
    """The evaluation side alone of what a config's `data` section names, for a system with this tokenizer.

    Raises:
        ConfigError, DataError: if the data set or one of its files cannot be had.
    """
    sources = read_sources(section, gallery_texts, training=False)
    return EvaluationData(sources, texts, preprocess, num_workers=section.num_workers)
