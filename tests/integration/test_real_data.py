"""The shipped model on the real test split, where the data is at hand."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import pytest
import torch
import urllib3

from model.classifier import Classifier
from model.preprocessing import preprocess
from tests.conftest import SHARED, SHIPPED_ARCHIVE
from tests.serving import Server

LEAST_ACCURACY = 0.77


@pytest.fixture(scope="module")
def cifar10_test_images() -> list[tuple[str, bytes]]:
    file = SHARED / "cifar10" / "test.zip"
    if not file.is_file():
        pytest.skip("the CIFAR-10 test images are not at shared/cifar10")
    with zipfile.ZipFile(file) as archive:
        return [
            (PurePosixPath(name).parent.name, archive.read(name))
            for name in archive.namelist()
            if name.endswith(".png")
        ]


def test_accuracy_through_rest_is_the_cards_and_labels_are_the_offline_ones(
    server: Server, http: urllib3.PoolManager, cifar10_test_images: list[tuple[str, bytes]]
) -> None:
    assert len(cifar10_test_images) == 10_000
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    pixels = torch.stack([preprocess(image, 32) for _, image in cifar10_test_images])
    probabilities = torch.cat([classifier.probabilities(batch) for batch in pixels.split(1000)])
    offline = [classifier.card.class_names[index] for index in probabilities.argmax(dim=1)]

    def label_through_rest(item: tuple[str, bytes]) -> str:
        response = server.predict(http, item[1])
        assert response.status == 200
        return str(response.json()["label"])

    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(label_through_rest, cifar10_test_images))
    assert served == offline
    correct = sum(
        label == truth for label, (truth, _) in zip(served, cifar10_test_images, strict=True)
    )
    accuracy = correct / len(cifar10_test_images)
    assert accuracy >= LEAST_ACCURACY
    assert accuracy == pytest.approx(classifier.card.test_accuracy, abs=1e-4)
