"""How strange a picture is to a network: a score for what is out of its training distribution."""

import torch
from torch import Tensor, nn

from model.data.dataset import LabelledImages
from model.networks import Network, to_unit_range

# Number of images from which the mean embeddings are computed, and how many at once.
SAMPLED_IMAGES, BATCH_SIZE = 10_000, 250


class OodScore(nn.Module):
    """How far an embedding falls short of the mean of every class.

    Embeddings are seen from the centre, the mean of the classes' means. The embedding is projected
    onto the direction of each class, in units of the distance of the class's own mean: a typical
    picture of a class gets a score of about 0, and one that lies at the centre gets 1. What shows
    none of the classes lies near the centre, as trained networks spread the classes around it
    ("Detecting Out-of-Distribution Through the Lens of Neural Collapse", Liu and Qin 2025,
    arXiv:2311.01479, whose score divides by the embedding's own length instead).

    A network that has learned to see through noise may take noise alone for a class. So there is a
    direction of shuffled pictures, too. What lies more in it than in that of every class gets a
    score of at least its projection onto it, which is 1 for a typical shuffled picture.

    Args:
        means: Mean embedding of each class and, last, of shuffled pictures, float ``(C + 1, F)``.

    Shape:
        Input: embeddings, float ``(N, F)``.
        Output: float ``(N,)``, the higher the stranger.
    """

    distances: Tensor

    def __init__(self, means: Tensor) -> None:
        super().__init__()
        centre = means[:-1].mean(dim=0)
        offsets = means - centre
        # A class whose mean is the centre has no direction.
        squares = offsets.square().sum(dim=1, keepdim=True).clamp(min=torch.finfo(means.dtype).tiny)
        self.project = nn.Linear(*means.T.shape).requires_grad_(requires_grad=False)
        self.project.weight.copy_(offsets / squares)
        self.project.bias.copy_(-(offsets / squares) @ centre)
        self.register_buffer("distances", squares.sqrt().squeeze(1))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings ``(N, F)`` to scores ``(N,)``."""
        projections: Tensor = self.project(embeddings)
        lengths = projections * self.distances
        score, shuffled = 1 - projections[:, :-1].amax(dim=1), projections[:, -1]
        is_shuffled = lengths[:, -1] > lengths[:, :-1].amax(dim=1)
        return torch.where(is_shuffled, torch.maximum(score, shuffled), score)


@torch.inference_mode()
def mean_embeddings(network: Network, images: LabelledImages) -> Tensor:
    """Return the mean embedding of each class and of shuffled pictures, float32 ``(C + 1, F)``.

    The images, on which the network was trained, are many, or few of each class. They are shuffled
    by moving their pixels to random places. ``network`` is on the CPU, in evaluation mode.
    """
    generator = torch.Generator().manual_seed(0)
    num_classes = network.output.out_features
    sums = torch.zeros(num_classes + 1, network.output.in_features)
    counts = torch.zeros(len(sums), 1)
    for batch in images.sample(SAMPLED_IMAGES).batches(BATCH_SIZE):
        pixels = to_unit_range(batch.pixels)
        places = torch.randperm(pixels[0, 0].numel(), generator=generator)
        shuffled = pixels.flatten(2)[..., places].view_as(pixels)
        for some, labels in (
            (pixels, batch.labels),
            (shuffled, torch.full_like(batch.labels, num_classes)),
        ):
            sums.index_add_(0, labels, network.embed(some))
            counts.index_add_(0, labels, torch.ones(len(labels), 1))
    return sums / counts.clamp(min=1)
