from pathlib import Path

from serving.java import java_version


def test_an_old_or_missing_java_is_not_accepted(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    assert java_version(java) == 11
    assert java_version(tmp_path / "absent") == 0
