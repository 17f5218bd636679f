"""The folder whose pictures are classified: on disk, or wherever fsspec reaches."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from model.command_line import CommandError
from model.inference import files

# Number of files that a process reads at a time where each waits for a network.
READERS = 32


class Source:
    """A folder of pictures.

    Args:
        url: A path, or a URL that fsspec knows, such as ``s3://bucket/folder`` or
            ``zip://::pictures.zip``.

    Attributes:
        map_files: What reads many of its files, as :func:`files.classify_files` takes it.

    Raises:
        CommandError: fsspec can't open it, or lacks something for such URLs.
    """

    def __init__(self, url: str) -> None:
        self._url, self._root = url, url
        self._system: Any = None
        self.map_files: Callable[..., Iterable[Any]] = map
        if "://" in url:
            try:
                # Without a cache of its listings, which would hold the name of every file.
                system, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
            except Exception as error:
                # The libraries for archives and object stores have exceptions of their own.
                raise CommandError(f"{url} can't be opened ({error})") from error
            if not isinstance(system, LocalFileSystem):
                self._system, self.map_files = system, ThreadPoolExecutor(READERS).map

    def list(self) -> Iterator[str]:
        """Yield the visible files below it, folder by folder.

        Raises:
            CommandError: There are none, or they can't be listed.
        """
        # A folder that is none, or can't be listed, is all that a walk yields.
        file = self._root
        try:
            for file in self._walk() if self._system else files.walk(self._root):
                yield file
        except Exception as error:
            raise CommandError(f"{self._url} can't be listed ({error})") from error
        if file == self._root:
            raise CommandError(f"{self._url} is no folder with visible files")

    def _walk(self) -> Iterator[str]:
        for parent, folders, names in self._system.walk(self._root, on_error="raise"):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                # Some stores have an empty object in the place of a folder.
                if name and not name.startswith("."):
                    yield f"{parent.rstrip('/')}/{name}" if parent else name

    def read(self, file: str) -> bytes:
        """Return the content of a file.

        Raises:
            ImageTooLargeError: It is too large.
            OSError: It can't be read.
        """
        try:
            if self._system is None:
                return files.read(file)
            with self._system.open(file) as stream:
                return files.read_within_limit(stream)
        except (OSError, ValueError):
            raise
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error

    def name(self, file: str) -> str:
        """Return a file's path or URL for people and Parquet, which knows Unicode only."""
        name = self._system.unstrip_protocol(file) if self._system else file
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
