"""Pictures and their classes as tensors: CIFAR-10, folder trees, splits and the cache.

``cifar10`` and ``folders`` load what ``dataset`` describes. A folder tree is read by
``split_folders``, which finds the splits, ``image_files``, which finds their files, and
``decoded_cache``, which decodes these once. ``splits`` chooses the images that are held out, and
``tested_files`` remembers which ones have tested a run.
"""
