"""Pictures and their classes as tensors: CIFAR-10, folder trees, splits and the cache."""
