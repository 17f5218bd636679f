"""The export of a trained network to the ONNX graph that is served."""
