"""FastAPI with ONNX Runtime, as most would write it, in two processes of uvicorn.

GRAPH=DIR/model.onnx uvicorn benchmarks.serving.fastapi_serving:app --workers 2
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from PIL import Image

app = FastAPI()
graph = Path(os.environ["GRAPH"])
classes = json.loads(graph.with_name("model_card.json").read_text())["class_names"]
options = onnxruntime.SessionOptions()
# The processes are the parallelism.
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@app.post("/predict")
async def predict(request: Request) -> dict[str, Any]:
    """Answer which class the picture in the body shows."""
    image = Image.open(io.BytesIO(await request.body())).convert("RGB").resize((32, 32))
    probabilities = session.run(None, {"pixels": np.asarray(image)[None]})[0][0]
    by_class = dict(zip(classes, probabilities.tolist(), strict=True))
    return {"label": max(by_class, key=by_class.__getitem__), "probabilities": by_class}
