import warnings
from pathlib import Path

import pytest
import ts
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl


@pytest.fixture(scope="module")
def metrics() -> MetricsCacheYamlImpl:
    """What TorchServe gives a worker to tell it metrics with."""
    with warnings.catch_warnings():
        # TorchServe reads the file without closing it.
        warnings.simplefilter("ignore", ResourceWarning)
        return MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs" / "metrics.yaml"))
