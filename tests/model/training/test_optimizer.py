import pytest
import torch

from model.networks.reference_cnn import ReferenceCNN
from model.networks.strong_cnn import StrongCNN
from model.training.config import Config
from model.training.optimizer import (
    PLATEAU_FACTOR,
    MovingAverage,
    create_optimizer,
    create_schedulers,
)
from model.training.recipes import RECIPES, Recipe

TUNED = RECIPES["tuned"]
STRONG = RECIPES["strong"]


def of(recipe: Recipe) -> Config:
    return Config(recipe=recipe, batch_size=1, epochs=3)


@pytest.mark.parametrize("name", ["original", "tuned"])
def test_the_weights_that_the_recipe_names_decay_and_biases_never(name: str) -> None:
    network = ReferenceCNN()
    decayed, others = create_optimizer(network, of(RECIPES[name])).param_groups
    weights = {id(value) for value in network.parameters() if value.ndim > 1}
    decaying = {id(network.dense.weight)} if name == "original" else weights
    assert {id(value) for value in decayed["params"]} == decaying
    assert len(decayed["params"]) + len(others["params"]) == len(list(network.parameters()))
    assert others["weight_decay"] == 0


def test_the_learning_rate_warms_up_evenly_and_then_falls_at_plateaus() -> None:
    network = ReferenceCNN()
    optimizer = create_optimizer(network, of(TUNED))
    warm_up, plateau = create_schedulers(optimizer, of(TUNED), images=4)
    network(torch.zeros(1, 3, 32, 32)).sum().backward()
    rates = []
    for _ in range(6):
        rates.append(float(optimizer.param_groups[0]["lr"]) / TUNED.learning_rate)
        optimizer.step()
        warm_up.step()
    assert rates == pytest.approx([0.25, 0.4375, 0.625, 0.8125, 1, 1])
    for _ in range(TUNED.plateau_patience + 2):
        plateau.step(1.0)
    for group in optimizer.param_groups:
        assert float(group["lr"]) == pytest.approx(TUNED.learning_rate * PLATEAU_FACTOR)


def test_the_learning_rates_of_the_strong_recipe_fall_evenly_to_zero() -> None:
    network = StrongCNN()
    network(torch.rand(2, 3, 32, 32)).sum().backward()
    optimizer = create_optimizer(network, of(STRONG))
    per_batch, per_epoch = create_schedulers(optimizer, of(STRONG), images=4)
    first = [float(group["lr"]) for group in optimizer.param_groups]
    shares = []
    for step in range(12):
        shares.append(
            [float(g["lr"]) / f for g, f in zip(optimizer.param_groups, first, strict=True)]
        )
        optimizer.step()
        per_batch.step()
        if step % 4 == 3:
            per_epoch.step(1.0)
    assert shares == [pytest.approx([1 - step / 12] * 3, abs=1e-5) for step in range(12)]


def test_all_that_the_strong_network_learns_has_an_optimiser() -> None:
    network = StrongCNN()
    filters, biases, output = create_optimizer(network, of(STRONG)).param_groups
    assert [group["orthogonalise"] for group in (filters, biases, output)] == [True, False, False]
    assert {value.ndim for value in filters["params"]} == {4}
    learning = {id(value) for value in network.parameters() if value.requires_grad}
    assert {id(v) for g in (filters, biases, output) for v in g["params"]} == learning


def test_the_moving_average_forgets_its_beginning_soon_and_its_past_slowly() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    average = MovingAverage(network, decay=0.99)
    torch.nn.init.ones_(network.weight)
    for _ in range(20):
        average.update()
    assert next(average.network.parameters()).item() > 0.99
    average.steps.fill_(100_000)
    torch.nn.init.zeros_(network.weight)
    before = next(average.network.parameters()).item()
    average.update()
    assert next(average.network.parameters()).item() == pytest.approx(0.99 * before, abs=1e-6)
    assert set(average.state_dict()) == {"steps", "network.weight"}


def test_standardised_pixels_are_what_the_first_layer_begins_with() -> None:
    torch.manual_seed(0)
    plain, folded = ReferenceCNN(), ReferenceCNN()
    folded.load_state_dict(plain.state_dict())
    images = torch.rand(20, 3, 32, 32) * torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    folded.start_from(images)
    deviation, mean = torch.std_mean(images, dim=(0, 2, 3), keepdim=True)
    standardised = (images - mean) / deviation
    torch.testing.assert_close(
        folded.eval()(images), plain.eval()(standardised), atol=1e-4, rtol=1e-4
    )
