"""``model.predict --ray`` on a cluster of two nodes."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.dataset
import pytest

from model.predict import main
from tests.helpers.pictures import SHIPPED_ARCHIVE, write_image_folder

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install --group ray")
# Ray and pandas, which it imports, have warnings of their own.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only there if Ray is

    cluster = Cluster()
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def test_two_nodes_give_the_same_table_as_one_machine(tmp_path: Path, address: str) -> None:
    folder = write_image_folder(tmp_path / "pictures", images_per_class=200)
    (folder / "test" / "broken.png").write_text("not a picture")
    tables = []
    for name, more in (("here", []), ("cluster", ["--ray", address])):
        arguments = ["--folder", str(folder), "--out", str(tmp_path / name), *more]
        assert main([*arguments, "--model", str(SHIPPED_ARCHIVE)]) == 1
        tables.append(pyarrow.dataset.dataset(tmp_path / name).to_table())
    assert tables[0].num_rows == 801
    assert tables[0].equals(tables[1])
