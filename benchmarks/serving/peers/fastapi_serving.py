"""Thirty lines of FastAPI with ONNX Runtime, in two processes of uvicorn.

NETWORK=DIR uvicorn benchmarks.serving.peers.fastapi_serving:app --workers 2 --no-access-log
"""

from typing import Any

from fastapi import FastAPI, Request

from benchmarks.serving.peers.onnx_classifier import OnnxClassifier

app = FastAPI()
classifier = OnnxClassifier()


@app.post("/predict")
async def predict(request: Request) -> dict[str, Any]:
    """Answer which class the picture in the body shows."""
    return classifier.classify(await request.body())
