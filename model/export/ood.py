"""How strange a picture is to a network: a score for what is out of its training distribution."""

import torch
from torch import Tensor, nn

from model.data.dataset import LabelledImages
from model.networks import Network, to_unit_range

# Number of images from which the mean embeddings of the classes are computed, and how many at once.
SAMPLED_IMAGES, BATCH_SIZE = 10_000, 250


class OodScore(nn.Module):
    """How far an embedding falls short of the mean of every class.

    Embeddings are seen from the centre, the mean of the classes' means. The embedding is projected
    onto the direction of each class, in units of the distance of the class's own mean: a typical
    picture of a class gets a score of about 0, and one that lies at the centre gets 1. What shows
    none of the classes lies near the centre, as trained networks spread the classes around it
    ("Detecting Out-of-Distribution Through the Lens of Neural Collapse", Liu and Qin 2025,
    arXiv:2311.01479, whose score divides by the embedding's own length instead).

    Args:
        means: Mean embedding of each class, float ``(C, F)``.

    Shape:
        Input: embeddings, float ``(N, F)``.
        Output: float ``(N,)``, the higher the stranger.
    """

    def __init__(self, means: Tensor) -> None:
        super().__init__()
        centre = means.mean(dim=0)
        offsets = means - centre
        # A class whose mean is the centre has no direction.
        squares = offsets.square().sum(dim=1, keepdim=True).clamp(min=torch.finfo(means.dtype).tiny)
        self.project = nn.Linear(*means.T.shape).requires_grad_(requires_grad=False)
        self.project.weight.copy_(offsets / squares)
        self.project.bias.copy_(-(offsets / squares) @ centre)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings ``(N, F)`` to scores ``(N,)``."""
        nearness: Tensor = self.project(embeddings).amax(dim=1)
        return 1 - nearness


@torch.inference_mode()
def mean_embeddings(network: Network, images: LabelledImages) -> Tensor:
    """Return the mean embedding of each class, float32 ``(C, F)``, over images it was trained on.

    The images are many, or few of each class; ``network`` is on the CPU, in evaluation mode.
    """
    indices = torch.linspace(0, len(images) - 1, min(len(images), SAMPLED_IMAGES)).long()
    sums = torch.zeros(network.output.out_features, network.output.in_features)
    counts = torch.zeros(len(sums), 1)
    for batch in images.subset(indices).batches(BATCH_SIZE):
        embeddings = network.embed(to_unit_range(batch.pixels))
        sums.index_add_(0, batch.labels, embeddings)
        counts.index_add_(0, batch.labels, torch.ones(len(embeddings), 1))
    return sums / counts.clamp(min=1)
