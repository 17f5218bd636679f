"""Networks that were trained with Keras, read without Keras."""
