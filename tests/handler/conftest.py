"""The handler as TorchServe runs it: from the unpacked archive, under TorchServe's own Context."""

import importlib.util
import json
import logging
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ts
import yaml
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from model.inference import EXAMPLES_FILE_NAME
from tests.helpers.pictures import SHIPPED_ARCHIVE

BATCH_SIZE = 8
EXAMPLES = [{"name": "teapot", "webp": "UklGRg=="}]


@pytest.fixture(scope="module")
def metrics() -> MetricsCacheYamlImpl:
    """What TorchServe gives a worker to report metrics with."""
    with warnings.catch_warnings():
        # TorchServe reads the file without closing it.
        warnings.simplefilter("ignore", ResourceWarning)
        return MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs" / "metrics.yaml"))


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        archive.extractall(directory)
    (directory / EXAMPLES_FILE_NAME).write_text(json.dumps(EXAMPLES))
    return directory


@pytest.fixture(scope="module")
def handler_module(model_directory: Path) -> Iterator[Any]:
    specification = importlib.util.spec_from_file_location(
        "image_handler", model_directory / "image_handler.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["image_handler"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["image_handler"]


@pytest.fixture(scope="module")
def make_context(model_directory: Path, metrics: MetricsCacheYamlImpl) -> Any:
    def make(requests: int, headers: list[dict[str, str]] | None = None) -> Context:
        context = Context(
            model_name="cifar10",
            model_dir=str(model_directory),
            manifest=json.loads((model_directory / "MAR-INF" / "MANIFEST.json").read_text()),
            batch_size=BATCH_SIZE,
            gpu=None,
            mms_version="0.12.0",
            metrics=metrics,
            model_yaml_config=yaml.safe_load((model_directory / "model-config.yaml").read_text()),
        )
        context.request_processor = [RequestProcessor(each) for each in headers or [{}] * requests]
        return context

    return make


@pytest.fixture(scope="module")
def handler(handler_module: Any, make_context: Any) -> Iterator[Any]:
    """The handler, initialised."""
    level, metrics_level = (logging.getLogger(name).level for name in ("", "ts.metrics"))
    instance = handler_module.ImageHandler()
    instance.initialize(make_context(0))
    yield instance
    logging.getLogger().setLevel(level)
    logging.getLogger("ts.metrics").setLevel(metrics_level)


@pytest.fixture(scope="module")
def answer_of(handler: Any, make_context: Any) -> Any:
    """Ask for one request; gives status and document."""

    def ask(row: dict[str, bytes], headers: dict[str, str] | None = None) -> tuple[int, Any]:
        context = make_context(1, [headers or {}])
        # TorchServe's own kind of bytes.
        (body,) = handler.handle([{name: bytearray(row[name]) for name in row}], context)
        assert context.get_response_content_type(0) == "application/json"
        return context.get_response_status(0)[0], json.loads(body)

    return ask
