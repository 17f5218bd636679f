"""The image classifier as a library; it knows neither TorchServe nor Flask.

``images/`` and ``inference/`` answer, need no PyTorch, and travel whole in every model archive.
"""

import os
from pathlib import Path

# Switch that keeps ONNX Runtime, before it is imported, from sending to its makers what it runs.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Folder of the whole project, with ``train.py`` and ``model_store/`` in it.
PROJECT = Path(__file__).resolve().parent.parent
# Archive of the best shipped model.
BEST_ARCHIVE = PROJECT / "model_store" / "cifar10-2.0.mar"
