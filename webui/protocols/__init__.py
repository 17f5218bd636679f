"""KServe's two protocols, as far as REST goes: version 1, and the Open Inference Protocol."""
