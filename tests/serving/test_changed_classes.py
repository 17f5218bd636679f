import zipfile
from pathlib import Path

import pytest
import ts

from serving.changed_classes import CHANGES, change_classes

JAR = Path(ts.__file__).parent / "frontend" / "model-server.jar"


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_class_differs_in_one_place(tmp_path: Path, name: str) -> None:
    # A second start finds the same.
    change_classes(tmp_path)
    change_classes(tmp_path)
    changed = (tmp_path / name).read_bytes()
    with zipfile.ZipFile(JAR) as classes:
        original = classes.read(name)
    before, after = CHANGES[name]
    assert original.count(before) == changed.count(after) == 1
    assert original.partition(before)[::2] == changed.partition(after)[::2]
