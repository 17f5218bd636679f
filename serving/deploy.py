"""Let a new version of a model answer, without a request that fails; or go back to the one before.

    python -m serving.deploy runs/NAME               the next version of cifar10 (MODEL_NAME)
    python -m serving.deploy runs/NAME --data DIR    tried on labelled pictures: DIR/<class>/…
    python -m serving.deploy runs/NAME --name flowers
                                                     the next version of another model, or a new one
    python -m serving.deploy --rollback              the version before answers again

It needs a running server, and reads the same environment variables as ``serve.py``. The new version
is packed, loaded beside the one that answers, and tried on known pictures: those of --data, or the
examples in the archives. If it can't be read, knows other classes, is worse by more than chance, or
too slow, it is refused, and nothing changes. Otherwise it answers at once, and also after a
restart; the version before stays loaded.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from model import PROJECT
from model.command_line import OneLineParser, number, tolerate_any_encoding, visible
from model.inference.classifier import Classifier
from serving import ServeError
from serving.management import Management, model_api
from serving.model_store import read_archives, read_deployed, write_deployed
from serving.trial import (
    Known,
    check_claim,
    compare,
    names_of,
    read_examples,
    read_sample,
    try_out,
)
from webui.errors import WebUIError
from webui.settings import LATEST, Settings, SettingsError, order_of_version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    tolerate_any_encoding()
    parser = OneLineParser("python -m serving.deploy", __doc__)
    parser.add_argument("source", type=Path, nargs="?", help="a run's directory, or an archive")
    parser.add_argument("--name", help="name of the model (default: MODEL_NAME, or cifar10)")
    parser.add_argument("--rollback", action="store_true", help="go back to the version before")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="labelled pictures to try it on: DIR/<class>/…"
    )
    parser.add_argument(
        "--examples",
        nargs="?",
        const="",
        metavar="DIR",
        help="pack pictures for visitors of the page, as python -m model.archive does",
    )
    parser.add_argument(
        "--slower",
        type=number(above=0),
        default=5,
        metavar="TIMES",
        help="how many times as long as the version that answers it may take (default: 5)",
    )
    options = parser.parse_args(arguments)
    if (options.source is None) != options.rollback:
        parser.error("name a run or an archive, or --rollback")
    for number_ in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number_, signal.default_int_handler)
    try:
        named = {"MODEL_NAME": options.name} if options.name else {}
        settings = Settings.from_environment({**os.environ, **named})
        _require_free_choice(settings, options.name)
        print(visible(roll_back(settings) if options.rollback else deploy(settings, options)))
    except SettingsError as error:
        print(f"serving.deploy: error: {error}", file=sys.stderr)
        return 2
    except (ServeError, WebUIError, OSError, ValueError) as error:
        print(f"serving.deploy: nothing has changed: {visible(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("serving.deploy: interrupted; nothing has changed", file=sys.stderr)
        return 130
    return 0


def _require_free_choice(settings: Settings, name: str | None) -> None:
    if settings.model_version != LATEST and name in {None, os.environ.get("MODEL_NAME")}:
        raise ServeError(
            f"MODEL_VERSION={settings.model_version} would answer again after a restart: unset it, "
            "here and for the server"
        )


def deploy(settings: Settings, options: Any) -> str:  # noqa: ANN401 - argparse's
    """Let a run or an archive answer as the next version of a model.

    Args:
        settings: Where the server is, and what the model is called.
        options: The ``source``, and ``data``, ``examples`` and ``slower`` of the command.

    Returns:
        What has happened, in a line.

    Raises:
        ServeError: The version is refused, or there is no server; nothing has changed.
        WebUIError: TorchServe does not answer as it should; nothing has changed.
    """
    store, name, management = settings.model_store, settings.model_name, Management(settings)
    with model_api(settings), ExitStack() as undo:
        present = management.find_versions()
        version = _next_version([*present, *read_archives(store).get(name, ())])
        archive = undo.enter_context(_packed(options, settings, version))
        card = Classifier.load(archive).card
        described = management.fetch_description() if present else {}
        _require_same_classes(card.class_names, described.get("class_names", card.class_names))

        undo.callback(_quietly, management.remove, version)
        management.register(archive.name)
        management.wait_until_ready(version)
        known = _find_known(management, version, described, options.data)
        results = try_out(management, [version, *present[:1]], known)
        if present:
            compare(results[0], results[1], options.slower)
        if not options.data:
            check_claim(results[0], card.test_accuracy)

        final = archive.with_name(archive.name.removeprefix("."))
        if final.exists():
            raise ServeError(f"{final} exists already; move it away")
        before = read_deployed(store, name)
        undo.callback(write_deployed, store, name, before)
        undo.callback(final.unlink, missing_ok=True)
        archive.rename(final)
        final.with_suffix(".md").write_text(card.to_markdown(), encoding="utf-8")
        if before[-1:] != present[:1]:
            before = [*before, *present[:1]]
        write_deployed(store, name, [*before, version])
        management.choose(version)
        undo.pop_all()
    place = f" in the place of {present[0]} ({results[1]})" if present else ""
    return f"{name} {version} answers now ({results[0]}){place}"


def _next_version(versions: Sequence[str]) -> str:
    firsts = (order_of_version(version)[0][:1] for version in versions)
    return f"{max(map(sum, firsts), default=0) + 1}.0"


@contextmanager
def _packed(options: Any, settings: Settings, version: str) -> Iterator[Path]:  # noqa: ANN401
    """Pack the source into a hidden archive in the model store, which is removed at the end."""
    store = settings.model_store
    with tempfile.TemporaryDirectory(prefix=".deploy-", dir=store) as folder:
        command = [sys.executable, "-m", "model.archive", str(options.source.resolve())]
        command += ["--name", settings.model_name, "--model-version", version]
        command += ["--model-store", folder]
        if options.examples is not None:
            command += ["--examples", *filter(None, [options.examples])]
        # What packs needs PyTorch, and what serves must not.
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServeError(done.stderr.strip().splitlines()[-1].partition(": error: ")[2])
        (made,) = Path(folder).glob("*.mar")
        archive = made.rename(store / f".{made.name}")
    try:
        yield archive
    finally:
        archive.unlink(missing_ok=True)


def _require_same_classes(new: Sequence[str], old: Sequence[str]) -> None:
    if {*new} != {*old}:
        raise ServeError(
            f"it knows other classes ({names_of(new)}) than the model ({names_of(old)}): deploy it "
            "beside this model with --name"
        )


def _find_known(
    management: Management, version: str, described: dict[str, Any], data: Path | None
) -> list[Known]:
    new = management.fetch_description(version)
    classes = new["class_names"]
    if data:
        return read_sample(data, classes)
    return read_examples(new, classes) or read_examples(described, classes)


def _quietly(change: Callable[[str], None], version: str) -> None:
    # TorchServe may be away, which is why it is undone.
    with suppress(ServeError, WebUIError):
        change(version)


def roll_back(settings: Settings) -> str:
    """Let the version answer that answered before the last deploy.

    Returns:
        What has happened, in a line.

    Raises:
        ServeError: There is no such version; nothing has changed.
        WebUIError: TorchServe does not answer as it should.
    """
    store, name, management = settings.model_store, settings.model_name, Management(settings)
    with model_api(settings):
        match read_deployed(store, name):
            case [*earlier, before, last]:
                management.wait_until_ready(before)
                management.choose(before)
                write_deployed(store, name, [*earlier, before])
                return f"{name} {before} answers again in the place of {last}"
    raise ServeError(f"there was no version of {name} before this one")


if __name__ == "__main__":
    sys.exit(main())
