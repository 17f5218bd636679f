"""The folders that hold the splits of a data set, under the names that people give them."""

import mimetypes
import os
import re
from collections.abc import Iterable
from pathlib import Path

from model.command_line import visible
from model.data.dataset import DataError

# Part of an error message: how a folder-per-class tree must look.
EXPECTED_LAYOUT = (
    "--data needs DIR/train/<class>/<image>, with DIR/test/ and DIR/val/ beside it if there are "
    "such splits, or DIR/<class>/<image>."
)
# What else a folder's name may say, as in ``seg_train`` and ``test_set``.
_AFFIX = r"(?:seg|set|data|images?|imgs?|split|\d)"
# The names of a split's folder, and those of pictures that nobody has labelled.
_ROLE = re.compile(
    rf"(?:{_AFFIX}[ _-]*)*(?:(?P<train>train(?:ing)?)|(?P<validation>val(?:id(?:ation)?)?|dev)"
    rf"|(?P<test>test(?:ing)?)|(?P<unlabelled>pred(?:ictions?)?|unlabell?ed))(?:[ _-]*{_AFFIX})*",
    re.IGNORECASE,
)
# Folders that storage devices, archivers and file systems make, in lower case.
_NOT_PICTURES = {
    *("__macosx", "lost+found", "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle"),
    *("$recycle.bin", "system volume information"),
}


def is_visible(name: str) -> bool:
    """Return whether a file or folder of this name may hold what its owner wants to train on."""
    return not name.startswith(".") and name.lower() not in _NOT_PICTURES


def visible_folders(directory: Path) -> list[str]:
    """Return the sorted names of the visible folders in ``directory``; none if it is no folder."""
    entries = directory.iterdir() if directory.is_dir() else ()
    return sorted(entry.name for entry in entries if is_visible(entry.name) and entry.is_dir())


def find_splits(directory: Path) -> dict[str, str]:
    """Find the folders of the splits, and print which they are.

    Returns:
        The paths of the folders that hold the class folders, relative to ``directory``, by split:
        ``train``, ``validation`` and ``test``, as far as there are such folders; ``all`` is empty,
        where the class folders are in ``directory`` itself.

    Raises:
        DataError: There are no class folders, or it is not clear which folders are the splits.
    """
    names = visible_folders(directory)
    if not names:
        raise DataError(f"{directory} has no class folders. {EXPECTED_LAYOUT}")
    roles = {name: _role(name) for name in names}
    splits: dict[str, str] = {}
    for name, role in roles.items():
        root = _innermost(directory, name)
        if role is None or role == "unlabelled" or not visible_folders(directory / root):
            continue
        if role in splits:
            raise DataError(
                f"{directory} has two folders for the {role} split, {splits[role]}/ and {root}/. "
                "Put their pictures together, or move one of them away."
            )
        splits[role] = root
    if not splits:
        if None not in roles.values() and {"train"} < set(roles.values()):
            raise DataError(
                f"{directory} has {_enumerate(roles)}, which are named like splits but have no "
                f"class folders. {EXPECTED_LAYOUT}"
            )
        return {"all": ""}
    taken = {root.split("/")[0] for root in splits.values()}
    others = [name for name in names if name not in taken]
    _refuse_classes_beside_splits(directory, splits, [name for name in others if not roles[name]])
    found = ", ".join(f"{root}/ is the {role} split" for role, root in splits.items())
    print(f"{directory}: {found}" + (f"; left aside: {_enumerate(others)}" if others else ""))
    return splits


def _role(name: str) -> str | None:
    match = _ROLE.fullmatch(name)
    return match.lastgroup if match else None


def _innermost(directory: Path, name: str) -> str:
    """Return ``name``, or ``name/name`` where an unpacked archive has the folder twice."""
    inner = visible_folders(directory / name)
    twice = len(inner) == 1 and _role(inner[0]) == _role(name)
    return f"{name}/{inner[0]}" if twice else name


def _refuse_classes_beside_splits(
    directory: Path, splits: dict[str, str], others: list[str]
) -> None:
    """Refuse folders that may hold a class or one more split beside those of ``splits``."""
    classes = {name for root in splits.values() for name in visible_folders(directory / root)}
    # Beside two splits, a folder of pictures alone is one that nobody has labelled.
    unclear = [name for name in others if len(splits) == 1 or visible_folders(directory / name)]
    pictures = {name for name in unclear if _has_pictures(directory / name)}
    confusing = [name for name in others if name in classes | pictures]
    if confusing:
        raise DataError(
            f"{directory} has folders named like splits, {_enumerate(splits.values())}, and beside "
            f"them others with pictures, {_enumerate(confusing)}. Move either away. "
            f"{EXPECTED_LAYOUT}"
        )


def _has_pictures(folder: Path) -> bool:
    return any(
        (mimetypes.guess_type(name)[0] or "").startswith("image/")
        for _, _, files in os.walk(folder)
        for name in files
    )


def _enumerate(names: Iterable[str]) -> str:
    return ", ".join(f"{visible(name)}/" for name in names)
