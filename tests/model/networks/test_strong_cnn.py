import torch

from model.networks.strong_cnn import StrongCNN


def test_the_first_layer_whitens_the_patches_of_the_images_it_starts_from() -> None:
    generator = torch.Generator().manual_seed(0)
    blurred = torch.rand(50, 3, 17, 17, generator=generator).cumsum(2).cumsum(3)
    pixels = blurred / blurred.amax()
    network = StrongCNN()
    network.start_from(pixels)
    patches = network.whiten(pixels)[:, :12].transpose(0, 1).flatten(1)
    products = patches @ patches.T / patches.shape[1]
    # The components of least variance are damped.
    assert products.diagonal().max() < 1.01
    torch.testing.assert_close(products[-2:, -2:], torch.eye(2), atol=0.05, rtol=0)
    assert (products - products.diagonal().diag()).abs().max() < 0.01
    opposite = network.whiten(pixels)[:, 12:].transpose(0, 1).flatten(1)
    torch.testing.assert_close(opposite, -patches, atol=1e-3, rtol=1e-3)
