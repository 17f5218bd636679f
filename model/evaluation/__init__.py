"""How well a classifier does: scores, the report, figures, and the page with the pictures."""
