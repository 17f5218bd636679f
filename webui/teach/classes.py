"""The classes that are taught and their pictures: a folder tree that ``train.py --data`` takes."""

import hashlib
import re
import shutil
import unicodedata
from pathlib import Path
from typing import NamedTuple

from flask_babel import lazy_gettext as _

from webui.errors import BadRequestError, NotFoundError

# Number of characters of a name; a folder's has 255 bytes at most.
LONGEST_NAME = 60
# Names of folders that mean something else, and characters that none of them can have.
UNUSABLE_NAME = re.compile(
    r"[.@#$_].*|.*[/\\].*|lost\+found|system volume information", re.IGNORECASE | re.DOTALL
)


class TaughtClass(NamedTuple):
    """A class, and the names of its pictures, the newest first."""

    name: str
    pictures: list[str]


class Classes:
    """The classes below a folder, each a folder of its pictures.

    Args:
        directory: The folder. They are all of one split, so that a class may have a split's name.

    Attributes:
        root: The folder of the split.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "train"

    def list(self) -> list[TaughtClass]:
        """Return all classes in the order of their names."""
        # Whoever looks at a folder may leave a hidden file there, as the Finder does.
        return [
            TaughtClass(folder.name, [file.name for file in sorted(folder.glob("[!.]*"), key=_age)])
            for folder in sorted(self.root.glob("[!.]*/"))
        ]

    def add(self, name: str) -> str:
        """Add a class without pictures, and return its name in Unicode's form NFC.

        Raises:
            BadRequestError: The name can't be a folder's, or is taken.
        """
        name = unicodedata.normalize("NFC", name.strip())
        is_usable = 0 < len(name) <= LONGEST_NAME and name.isprintable()
        if not is_usable or UNUSABLE_NAME.fullmatch(name):
            raise BadRequestError(
                text=_(
                    "A class is also a folder: its name needs 1 to 60 characters, a letter or a "
                    "digit first, and no slashes. Choose another name."
                )
            )
        # Some file systems take large and small letters for the same.
        if name.casefold() in (each.name.casefold() for each in self.list()):
            raise BadRequestError(text=_("There is a class of this name. Choose another name."))
        (self.root / name).mkdir(parents=True)
        return name

    def remove(self, name: str) -> None:
        """Remove a class with its pictures."""
        shutil.rmtree(self.folder(name))

    def add_picture(self, name: str, content: bytes, kind: str) -> None:
        """Add a picture to a class, which has it only once.

        Args:
            name: The class.
            content: The bytes of the file.
            kind: The format of the picture, which ends the name of the file.
        """
        file = f"{hashlib.sha256(content).hexdigest()[:16]}.{kind.lower()}"
        (self.folder(name) / file).write_bytes(content)

    def remove_picture(self, name: str, picture: str) -> None:
        """Remove a picture of a class."""
        file = self.folder(name) / picture
        if file.parent != self.folder(name) or not file.is_file():
            raise NotFoundError
        file.unlink()

    def folder(self, name: str) -> Path:
        """Return the folder of a class.

        Raises:
            NotFoundError: There is no such class.
        """
        if name not in (each.name for each in self.list()):
            raise NotFoundError
        return self.root / name


def _age(file: Path) -> float:
    return -file.stat().st_mtime
