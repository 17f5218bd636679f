"""The settings of the web UI and of the TorchServe that it talks to.

Each setting is declared once, as a field of :class:`Settings`; its environment variable is the
field's name in capitals.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from limits import parse_many

UNLIMITED = "unlimited"
LATEST = "latest"
AUTO = "auto"
JSON = "json"
LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names the variable."""


class Setting(NamedTuple):
    """One setting as people meet it: its environment variable, and the default as in there."""

    variable: str
    default: str
    help: str


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def is_model_name(value: str) -> bool:
    """Say whether TorchServe accepts a name, or a version, so that it can be part of a URL."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,250}", value) is not None


def _metrics_host(value: str) -> str:
    if ":" in value:
        raise ValueError("must be a name or an address of IPv4, as TorchServe takes no others")
    return _text(value)


def _model_name(value: str) -> str:
    if not is_model_name(value):
        raise ValueError(
            "must be up to 251 letters, digits, '_', '-' and '.', a letter or digit first"
        )
    return value


def _path(value: str) -> Path:
    return Path(_text(value))


def _whole_number(largest: int, meaning: str, smallest: int = 1) -> Callable[[str], int]:
    """Return a parser for numbers up to ``largest``; ``meaning`` completes its message."""

    def parse(value: str) -> int:
        # More digits could be a number that takes long to convert.
        if not re.fullmatch(r"[0-9]{1,15}", value) or not smallest <= int(value) <= largest:
            raise ValueError(f"must be a whole number {meaning}")
        return int(value)

    return parse


_port = _whole_number(65535, "from 1 to 65535")
_picture_count = _whole_number(9999, "of pictures from 1 to 9999")
_byte_count = _whole_number(10**15, "of bytes, 1 or more")
_proxy_count = _whole_number(9, "of proxies from 0 to 9", smallest=0)


def _hosts(value: str) -> tuple[str, ...]:
    names = tuple(value.lower().split(","))
    if not all(re.fullmatch(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]", name) for name in names):
        raise ValueError("must be names of hosts without ports, with commas between them")
    return () if value == AUTO else names


def _switch(value: str) -> bool:
    if value not in {"0", "1"}:
        raise ValueError("must be 0 or 1")
    return value == "1"


def _seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value) or float(value) == 0:
        raise ValueError("must be a number of seconds greater than 0")
    return float(value)


def _rate(value: str) -> str:
    with suppress(ValueError):
        if value == UNLIMITED or all(limit.amount > 0 for limit in parse_many(value)):
            return value
    raise ValueError(f'must be a rate like "300 per minute", or "{UNLIMITED}"')


def _log_format(value: str) -> str:
    if value not in {"text", JSON}:
        raise ValueError(f"must be text or {JSON}")
    return value


def _setting(default: str, parse: Callable[[str], Any], help_text: str) -> Any:  # noqa: ANN401
    """Declare a setting; its ``default`` is written as in the environment."""
    metadata = {"default": default, "parse": parse, "help": help_text}
    return field(default=parse(default), metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the web UI listens, where TorchServe does, and what either accepts."""

    webui_host: str = _setting(
        "127.0.0.1", _text, "address the web UI listens on; 0.0.0.0 opens it to the network"
    )
    webui_port: int = _setting("5000", _port, "port the web UI listens on")
    allowed_hosts: tuple[str, ...] = _setting(
        AUTO,
        _hosts,
        f"names of the site besides localhost, with commas; {AUTO}: none if the web UI listens on "
        "a loopback address, otherwise any",
    )
    proxies: int = _setting("0", _proxy_count, "number of proxies, whose X-Forwarded-* it believes")
    torchserve_inference_port: int = _setting("8080", _port, "TorchServe's port for predictions")
    torchserve_management_port: int = _setting(
        "8081", _port, "TorchServe's port for models and keys; keep it private"
    )
    torchserve_metrics_port: int = _setting("8082", _port, "TorchServe's port for metrics")
    webui_metrics_port: int = _setting("8083", _port, "port of the web UI's metrics")
    serve_metrics_port: int = _setting("8084", _port, "port of serve.py's metrics")
    metrics_host: str = _setting(
        "127.0.0.1",
        _metrics_host,
        "address of all metrics; one that is not loopback opens them to the network, without a key",
    )
    log_format: str = _setting(
        "text", _log_format, "format of the logs of serve.py and the web UI: text or json"
    )
    torchserve_grpc_inference_port: int = _setting("7070", _port, "its gRPC port for predictions")
    torchserve_grpc_management_port: int = _setting("7071", _port, "its gRPC port for models")
    torchserve_run_directory: Path = _setting(  # noqa: RUF009
        ".torchserve", _path, "TorchServe's working directory: key_file.json and logs"
    )
    model_store: Path = _setting(  # noqa: RUF009
        "model_store", _path, "directory of the archives that TorchServe serves"
    )
    model_name: str = _setting("cifar10", _model_name, "name of the model that answers")
    model_version: str = _setting(
        LATEST,
        _model_name,
        f"version that answers where a request names none; {LATEST}: the one deployed last, or "
        "else the highest in MODEL_STORE",
    )
    max_upload_bytes: int = _setting("16777216", _byte_count, "largest picture accepted, in bytes")
    max_pictures: int = _setting("16", _picture_count, "maximum number of pictures in one form")
    max_form_bytes: int = _setting(
        "33554432",
        _byte_count,
        "largest form accepted, all of its pictures together, in bytes; at least MAX_UPLOAD_BYTES",
    )
    rate_limit: str = _setting(
        "300 per minute",
        _rate,
        "work accepted from one address, in small pictures (a large one counts more), as "
        f'"NUMBER per UNIT"; "{UNLIMITED}" lifts all limits for one address',
    )
    torchserve_timeout_seconds: float = _setting(
        "30", _seconds, "how long the web UI waits for TorchServe's answer"
    )
    webui_teach: bool = _setting(
        "0",
        _switch,
        "1: the page /teach trains own classes, if the web UI listens on a loopback address and no "
        "ALLOWED_HOSTS or PROXIES open it",
    )
    teach_directory: Path = _setting(  # noqa: RUF009
        "teach", _path, "directory of what the page /teach keeps: pictures and runs"
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables; one that is not set has its default.

        Raises:
            SettingsError: A value cannot be used.
        """
        values = {}
        for setting in fields(cls):
            variable = setting.name.upper()
            if variable not in environ:
                continue
            try:
                values[setting.name] = setting.metadata["parse"](environ[variable])
            except ValueError as error:
                raise SettingsError(f"{variable} {error}, not {environ[variable]!r}") from error
        return cls(**values)

    @classmethod
    def describe(cls) -> tuple[Setting, ...]:
        """Return every setting with its variable, default and help text."""
        return tuple(
            Setting(setting.name.upper(), setting.metadata["default"], setting.metadata["help"])
            for setting in fields(cls)
        )

    @classmethod
    def help(cls) -> str:
        """Return what the help of a command says about the environment variables."""
        lines = (f"  {one.variable}={one.default}\n      {one.help}" for one in cls.describe())
        return "\n".join(["environment variables:", *lines])

    @property
    def hosts(self) -> frozenset[str]:
        """Names of hosts that requests may be sent to; any if there are none."""
        named = self.allowed_hosts or self._own_name in LOOPBACK
        return LOOPBACK.union(self.allowed_hosts, [self._own_name]) if named else frozenset()

    @property
    def teaches(self) -> bool:
        """Whether own classes can be taught, and other models than MODEL_NAME chosen."""
        is_open = self._own_name not in LOOPBACK or self.allowed_hosts or self.proxies
        return self.webui_teach and not is_open

    @property
    def _own_name(self) -> str:
        return f"[{self.webui_host}]" if ":" in self.webui_host else self.webui_host

    @property
    def web_ui_url(self) -> str:
        """Where a browser on this machine finds the web UI, with a slash at the end."""
        here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
        return f"http://{here.get(self.webui_host, self._own_name)}:{self.webui_port}/"

    @property
    def inference_url(self) -> str:
        """Where TorchServe answers predictions, without a slash at the end."""
        return f"http://127.0.0.1:{self.torchserve_inference_port}"

    @property
    def management_url(self) -> str:
        """Where TorchServe answers about models and keys, without a slash at the end."""
        return f"http://127.0.0.1:{self.torchserve_management_port}"

    @property
    def key_file(self) -> Path:
        """The file in which TorchServe leaves its keys."""
        return self.torchserve_run_directory / "key_file.json"
