"""Thirty lines of FastAPI with ONNX Runtime, in two processes of uvicorn.

NET_DIRECTORY=DIR uvicorn benchmarks.peers.fastapi_serving:app --workers 2 --no-access-log
"""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from benchmarks.peers.onnx_classifier import OnnxClassifier

app = FastAPI()
classifier = OnnxClassifier(Path(os.environ["NET_DIRECTORY"]))


@app.post("/predict")
async def predict(request: Request) -> dict[str, Any]:
    """Answer which class the picture in the body shows."""
    return classifier.classify(await request.body())
