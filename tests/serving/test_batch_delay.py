import zipfile
from pathlib import Path

import ts

from serving.batch_delay import (
    CLASS_FILE,
    WAITS_MICROSECONDS,
    WAITS_MILLISECONDS,
    count_batch_delay_in_microseconds,
)

JAR = Path(ts.__file__).parent / "frontend" / "model-server.jar"


def test_the_changed_class_differs_in_one_constant(tmp_path: Path) -> None:
    count_batch_delay_in_microseconds(tmp_path)
    changed = (tmp_path / CLASS_FILE).read_bytes()
    with zipfile.ZipFile(JAR) as classes:
        original = classes.read(CLASS_FILE)
    assert len(changed) == len(original)
    places = [place for place, byte in enumerate(original) if changed[place] != byte]
    start = original.index(WAITS_MILLISECONDS)
    assert places
    assert all(start < place < start + len(WAITS_MILLISECONDS) for place in places)
    assert changed.count(WAITS_MICROSECONDS) == 1


def test_a_second_start_finds_the_same(tmp_path: Path) -> None:
    count_batch_delay_in_microseconds(tmp_path)
    first = (tmp_path / CLASS_FILE).read_bytes()
    count_batch_delay_in_microseconds(tmp_path)
    assert (tmp_path / CLASS_FILE).read_bytes() == first
