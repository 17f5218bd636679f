"""The archives in the model store, and which version of a model answers where a request names none.

A deploy leaves ``NAME.deployed`` in the store: the versions that answered one after the other, one
a line. The last one answers.
"""

import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.atomic_file import write_atomically
from serving import ServeError
from webui.settings import LATEST, Settings
from webui.torchserve.client import order_of_version

DEPLOYED = ".deployed"
# Name of the file of an archive that says which version of which model it holds.
MANIFEST = "MAR-INF/MANIFEST.json"


def find_archives(settings: Settings) -> list[tuple[str, Path]]:
    """Return the names and archives of all versions of the model, and of other deployed models.

    The version of a model that answers by default comes before its others, which are in falling
    order.

    Raises:
        ServeError: The model store has none of this model, or not the version that was asked for,
            or a damaged archive, or two of the same version.
    """
    store, name = settings.model_store, settings.model_name
    archives = read_archives(store)
    if name not in archives:
        raise ServeError(
            f"{store} has no archive of {name}: make it with `python "
            f"-m model.archive runs/NAME --name {name}`, or set MODEL_STORE and MODEL_NAME"
        )
    default = settings.model_version
    if default not in {LATEST, *archives[name]}:
        versions = sorted(archives[name], key=order_of_version, reverse=True)
        raise ServeError(
            f"{store} has no version {default} of {name}: set MODEL_VERSION to one of "
            f"{', '.join(versions)}"
        )
    deployed = (file.stem for file in sorted(store.glob(f"[!.]*{DEPLOYED}")))
    found = []
    for model in dict.fromkeys([name, *deployed]):
        known = archives.get(model, {})
        # One that was deployed may have been taken out of the store since.
        answered = [version for version in read_deployed(store, model) if version in known]
        if model == name and default != LATEST:
            answered = [default]
        rising = [*sorted(known, key=order_of_version), *answered[-1:]]
        found += [(model, known[version]) for version in dict.fromkeys(reversed(rising))]
    return found


def read_archives(store: Path) -> dict[str, dict[str, Path]]:
    """Return the archives in the model store by the name of the model and by version.

    Raises:
        ServeError: An archive is damaged, or two hold the same version.
    """
    archives: dict[str, dict[str, Path]] = {}
    # A hidden one is being tried out.
    for archive in sorted(store.glob("[!.]*.mar")):
        if not (model := _read_manifest(archive).get("model")):
            # It is no archive of this model, and must not be in the way of those that are.
            continue
        name, version = (str(model.get(key)) for key in ("modelName", "modelVersion"))
        other = archives.setdefault(name, {}).setdefault(version, archive)
        if other != archive:
            raise ServeError(
                f"{other} and {archive} are both version {version} of {name}: take one out of the "
                "model store"
            )
    return archives


def _read_manifest(archive: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(archive) as content:
            manifest = json.loads(content.read(MANIFEST))
            is_whole = content.testzip() is None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error):
        is_whole = False
    except (KeyError, ValueError):
        return {}
    if not is_whole:
        raise ServeError(f"{archive} is damaged: copy it again, or take it out of the model store")
    return manifest if isinstance(manifest, dict) else {}


def read_deployed(store: Path, name: str) -> list[str]:
    """Return the versions of a model that were deployed; none if there was no deploy."""
    file = store / (name + DEPLOYED)
    return file.read_text(errors="replace").split() if file.exists() else []


def write_deployed(store: Path, name: str, versions: Sequence[str]) -> None:
    """Replace what :func:`read_deployed` returns, as a whole or not at all."""
    file = store / (name + DEPLOYED)
    if versions:
        write_atomically(file, "".join(f"{version}\n" for version in versions))
    else:
        file.unlink(missing_ok=True)
