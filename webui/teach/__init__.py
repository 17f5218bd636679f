"""The page that teaches a model classes of one's own, with pictures that stay on this machine."""
