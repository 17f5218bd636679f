"""What the soak makes of its answers and of memory; nothing is served here."""

import pytest

from benchmarks.soak.events import EVENTS
from benchmarks.soak.load import REFUSED, Answer, make_pictures
from benchmarks.soak.verdict import Happened, Sample, judge, make_report, measure_growth
from model.images.errors import ImageError
from model.inference.classifier import Classifier
from tests.helpers.pictures import SHIPPED_ARCHIVES

# Each event begins at its hundred, and lasts for ten seconds: the deploy from 100 to 110.
HAPPENED = [
    Happened(event, 100 * number, 100 * number + 10) for number, event in enumerate(EVENTS, 1)
]
BEGIN = {one.event.name: one.begin for one in HAPPENED}
DIED = "none: 507 InternalServerException"


def answer(sent: float, outcome: str, door: str = "REST") -> Answer:
    return Answer(sent, sent, sent + 0.5, f"{door}, good", outcome)


@pytest.mark.parametrize(
    ("name", "after", "door", "outcome", "verdict"),
    [
        ("deploy", -1, "REST", "2.0", "good"),
        ("deploy", -1, "REST", "3.0", "failed"),
        ("deploy", 5, "REST", "2.0", "good"),
        ("deploy", 5, "REST", "3.0", "good"),
        ("deploy", 11, "REST", "2.0", "failed"),
        ("deploy", 5, "REST", "none: 503", "failed"),
        ("rollback", 11, "page, JSON", "3.0", "failed"),
        ("rollback", 11, "page, JSON", REFUSED, "good"),
        ("Java killed", -0.4, "page, JSON", "none: 502", "excused"),
        ("Java killed", -1, "page, JSON", "none: 502", "failed"),
        ("Java killed", 11, "page, JSON", "none: 502", "failed"),
        ("Java killed", 5, "page, JSON", "wrong: cat", "failed"),
        ("worker killed", 5, "REST", DIED, "excused"),
        ("worker killed", 5, "page, JSON", DIED, "failed"),
        ("worker killed", 5, "REST", "none: 503 ServiceUnavailableException", "failed"),
        ("page killed", 5, "page, HTML", "none: ProtocolError", "excused"),
        ("page killed", 5, "REST", "none: ProtocolError", "failed"),
        ("disk full", 5, "page, HTML", "none: ProtocolError", "failed"),
        ("keys renewed", 5, "REST", "none: 400 InvalidKeyException", "failed"),
    ],
)
def test_what_may_fail_depends_on_what_happens(
    name: str, after: float, door: str, outcome: str, verdict: str
) -> None:
    assert judge(answer(BEGIN[name] + after, outcome, door), HAPPENED) == verdict


def test_memory_counts_from_the_last_start_without_the_first_quarter() -> None:
    old = [Sample(number, [1], 900) for number in range(50)]
    new = [Sample(50 + number, [2], 100 + min(number, 10)) for number in range(40)]
    assert measure_growth([*old, *new]) == (39, 100, 110, 110)


@pytest.mark.parametrize(("minutes", "failed"), [(3, set()), (60, {"memory of page"})])
def test_only_a_long_run_fails_because_of_growth(minutes: int, failed: set[str]) -> None:
    samples = [Sample(number, [1], 1000 + number) for number in range(100)]
    grown = {"page": samples, "Java": [Sample(one.when, [2], 1000) for one in samples]}
    report = make_report([answer(0, "2.0")], HAPPENED, grown, minutes, has_disk=True)
    assert report.failures.keys() == failed


def test_what_has_not_come_back_fails() -> None:
    memory = {"page": [Sample(0, [1], 1000), Sample(5, [], 0)]}
    report = make_report([answer(0, "2.0")], HAPPENED, memory, 3, has_disk=True)
    assert report.failures == {"page": "none runs at the end"}


def test_what_failed_and_what_went_wrong_are_in_the_report() -> None:
    happened = [HAPPENED[0]._replace(failure="ProgramError('no')"), *HAPPENED[1:]]
    answers = [answer(BEGIN["deploy"] + 1, "none: 500"), answer(BEGIN["Java killed"], "none: 502")]
    memory = {"page": [Sample(0, [1], 1000)]}
    report = make_report(answers, happened, memory, 3, has_disk=False)
    assert report.failures == {
        "deploy": "ProgramError('no')",
        "answers": "failed, REST, good, none: 500, 1",
    }
    text = report.to_markdown()
    assert "| Java killed | 10.0 s | 1 | 0 | 1 | 500.0 ms |" in text
    assert "The disk was not filled" in text


def test_bad_pictures_are_refused_and_good_ones_tell_versions_apart() -> None:
    good, bad = make_pictures()
    classifiers = [Classifier.load(archive) for archive in SHIPPED_ARCHIVES]
    for picture in bad:
        for classifier in classifiers:
            with pytest.raises(ImageError):
                classifier.classify(picture.content)
    assert any(len({*picture.labels.values()}) > 1 for picture in good)
