"""What the README promises is so."""

import re

from tests.serving import PROJECT
from webui.settings import Settings

README = (PROJECT / "README.md").read_text()


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", README, re.MULTILINE))
    assert rows == {setting.variable: setting.default for setting in Settings.describe()}


def test_every_file_that_is_linked_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if "://" not in link]
    assert len(local) >= 4
    assert [link for link in local if not (PROJECT / link).exists()] == []


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    targets = re.findall(r"^    make ([a-z]+)", README, re.MULTILINE)
    assert {"serve", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
