from dataclasses import replace

import pytest
import torch

from model import BEST_ARCHIVE
from model.data.dataset import LabelledImages
from model.training.config import Config
from model.training.initial_network import create_network, load_trained_network, sample_pixels
from model.training.recipes import RECIPES

IMAGES = LabelledImages(torch.zeros(3, 3, 32, 32, dtype=torch.uint8), torch.arange(3))


def test_a_trained_network_gets_a_new_last_layer_and_keeps_the_others() -> None:
    config = replace(Config(), recipe=RECIPES["fine-tuned"], start_from=BEST_ARCHIVE)
    started = create_network(config, 3, IMAGES).state_dict()
    output = started.pop("output.weight")
    assert output.shape == (3, 256)
    assert not output.any()
    trained = load_trained_network(BEST_ARCHIVE).state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in started.items())


def test_as_many_pixels_of_any_size_are_sampled_from_images_of_all_classes() -> None:
    labels = torch.arange(20_000) // 10_000
    for side, number in ((32, 5000), (64, 1250)):
        values = (labels * 255).byte()[:, None, None, None].expand(-1, 3, side, side)
        sample = sample_pixels(LabelledImages(values, labels))
        assert len(sample) == number
        assert sample.mean().item() == pytest.approx(0.5, abs=1e-3)
