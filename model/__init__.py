"""The image classifier as a library: architectures, preprocessing, data, training helpers, reports.

Knows neither TorchServe nor Flask. The few modules that an answer needs travel inside every
model archive; see ``model/archive.py`` for which.
"""
