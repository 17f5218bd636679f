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
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from model.command_line import OneLineParser, number, tolerate_any_encoding, visible
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from serving import ServeError
from serving.management import Management, model_api
from serving.model_store import read_archives, read_deployed, write_deployed
from serving.packing import pack
from serving.trial import (
    Known,
    count_right,
    list_sample,
    measure_work,
    read_examples,
    require_as_good,
    require_claim,
)
from webui.errors import WebUIError
from webui.settings import LATEST, Settings, SettingsError
from webui.torchserve.client import PIXEL, order_of_version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    tolerate_any_encoding()
    options = parse(arguments)
    try:
        settings = _find_settings(options.name)
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


def parse(arguments: Sequence[str] | None) -> Namespace:
    """Parse the command line; a wrong one exits with 2."""
    parser = OneLineParser("python -m serving.deploy", __doc__)
    parser.add_argument("source", type=Path, nargs="?", help="a run's directory, or an archive")
    parser.add_argument("--name", help="name of the model (default: MODEL_NAME, or cifar10)")
    parser.add_argument("--rollback", action="store_true", help="go back to the version before")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="labelled pictures to try it on: DIR/<class>/…"
    )
    parser.add_argument(
        "--examples",
        type=Path,
        nargs="?",
        const=True,
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
    return options


def _find_settings(name: str | None) -> Settings:
    settings = Settings.from_environment(os.environ)
    if name in {None, settings.model_name} and settings.model_version != LATEST:
        raise SettingsError(
            f"MODEL_VERSION={settings.model_version} would answer again after a restart: unset it, "
            "here and for the server"
        )
    return Settings.from_environment({**os.environ, "MODEL_NAME": name or settings.model_name})


def deploy(settings: Settings, options: Namespace) -> str:
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
        for version in management.find_versions():
            # A deploy that was killed leaves this.
            if (left := store / f".{name}-{version}.mar").exists():
                management.remove(version)
                _remove(left)
        present = management.find_versions()
        archives = read_archives(store).get(name, {})
        if not {*present[:1]} <= {*archives}:
            raise ServeError(f"{store} is not the server's model store: set MODEL_STORE")
        version = _next_version([*present, *archives])
        final = store / f"{name}-{version}.mar"
        if final.exists():
            raise ServeError(f"{final} is in the way, and holds another model: rename it")
        new = store / f".{final.name}"
        undo.callback(_remove, new)
        pack(options.source, new, name, version, options.examples)
        old = [archives[default] for default in present[:1]]
        card = _require_same_classes(new, old)
        known = _find_known(card.class_names, [new, *old], options.data)

        undo.callback(_quietly, management.remove, version)
        management.register(new.name)
        management.wait_until_ready(version)
        right = count_right(management, [version, *present[:1]], known)
        if old:
            require_as_good(*right)
            _require_as_fast(new, old[0], known, options.slower)
        if not options.data:
            require_claim(right[0], card.test_accuracy)

        undo.callback(_remove, final)
        new.rename(final)
        final.with_suffix(".md").write_text(card.to_markdown(), encoding="utf-8")
        earlier = read_deployed(store, name)
        if earlier[-1:] != present[:1]:
            earlier = [*earlier, *present[:1]]
        _switch(management, settings, [*earlier, version])
        undo.pop_all()
    shares = [f" ({sum(each)} of {len(each)} known pictures)" if each else "" for each in right]
    place = f", in the place of {present[0]}{shares[1]}" if present else ""
    untried = "" if right[0] else "; no picture was there that shows a known class (see --data)"
    return f"{name} {version} answers now{shares[0]}{place}{untried}"


def _next_version(versions: Iterable[str]) -> str:
    numbers = (order_of_version(version)[0] for version in versions)
    return f"{max((number[0] for number in numbers if number), default=0) + 1}.0"


def _remove(archive: Path) -> None:
    for file in (archive, archive.with_suffix(".md")):
        file.unlink(missing_ok=True)


def _require_same_classes(new: Path, old: Sequence[Path]) -> ModelCard:
    card = Classifier.load(new).card
    for archive in old:
        others = ModelCard.load(archive).class_names
        if {*others} != {*card.class_names}:
            raise ServeError(
                f"it knows other classes ({', '.join(card.class_names)}) than the version that "
                f"answers ({', '.join(others)}): deploy it beside this model with --name"
            )
    return card


def _find_known(
    classes: Collection[str], archives: Sequence[Path], data: Path | None
) -> list[Known]:
    if data:
        return list_sample(data, classes)
    examples = (read_examples(archive, classes) for archive in archives)
    return next(filter(None, examples), [Known(PIXEL, None)])


def _require_as_fast(new: Path, old: Path, known: Sequence[Known], most_times: float) -> None:
    seconds = measure_work([Classifier.load(archive) for archive in (new, old)], known)
    times = seconds[0] / seconds[1]
    if times > most_times:
        raise ServeError(
            f"it is too slow: a picture takes {1000 * seconds[0]:.1f} ms, {times:.1f} times as "
            f"long as with the version that answers, and {most_times:g} times are allowed "
            "(--slower)"
        )


def _quietly(change: Callable[[str], None], version: str) -> None:
    # TorchServe may be away, which is why it is undone.
    with suppress(ServeError, WebUIError):
        change(version)


def _switch(management: Management, settings: Settings, versions: Sequence[str]) -> None:
    """Let the last version answer, now and after a restart."""
    store, name = settings.model_store, settings.model_name
    with ExitStack() as undo:
        undo.callback(write_deployed, store, name, read_deployed(store, name))
        write_deployed(store, name, versions)
        management.choose(versions[-1])
        undo.pop_all()


def roll_back(settings: Settings) -> str:
    """Let the version answer that answered before the last deploy.

    Returns:
        What has happened, in a line.

    Raises:
        ServeError: There is no such version; nothing has changed.
        WebUIError: TorchServe does not answer as it should; nothing has changed.
    """
    *earlier, last = read_deployed(settings.model_store, settings.model_name) or [""]
    if not earlier:
        raise ServeError(f"no version of {settings.model_name} answered before this one")
    management = Management(settings)
    if earlier[-1] not in management.find_versions():
        raise ServeError(f"version {earlier[-1]} is not loaded: its archive was moved away")
    _switch(management, settings, earlier)
    return f"{settings.model_name} {earlier[-1]} answers again, in the place of {last}"


if __name__ == "__main__":
    # Any signal that ends a program undoes what was done, as Ctrl-C does.
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.default_int_handler)
    sys.exit(main())
