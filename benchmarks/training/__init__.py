"""How soon is a network good enough? ``train.py`` beside what others would write."""
