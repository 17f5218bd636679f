"""How well a classifier does: scores, the report, figures, and the page with the pictures.

``scores`` has the answers for the ``images``, and what follows from them. ``report`` and
``confusion_figure`` write that down, ``verdict`` puts it into words, ``page`` shows the pictures
behind it, and ``comparison`` does all of this for two models. ``calibration`` tells how far a
confidence holds, and ``strangers`` how well pictures of other things are noticed.
"""
