"""The images that the benches measure on, and other points made for them."""

from __future__ import annotations

import gzip

import numpy as np


def fashion_mnist() -> np.ndarray:
    """Return the 60,000 training images as rows of 784 floats in 0..1."""
    with gzip.open("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    return pixels.reshape(-1, 784).astype("<f4") / 255


def shifted(images: np.ndarray) -> np.ndarray:
    """Return four times as many: the images, and each moved by a pixel right, down, and both, with a little noise."""
    rng = np.random.default_rng(5)
    square = images.reshape(-1, 28, 28)
    moved = [np.roll(square, move, (1, 2)).reshape(images.shape) for move in ((0, 1), (1, 0), (1, 1))]
    noisy = [image + rng.normal(0, 0.02, images.shape).astype(np.float32) for image in moved]
    return np.concatenate([images, *noisy])


def behind_random_layer(images: np.ndarray) -> np.ndarray:
    """Return 512 dimensions an image: the images behind one random layer, so that they are as clumped as real embeddings."""
    layer = np.random.default_rng(0).normal(size=(images.shape[1], 512)).astype(np.float32) / 28
    return np.ascontiguousarray(np.maximum(images @ layer, 0))


def clumps(rows: int) -> np.ndarray:
    """Return points of 64 dimensions around 2,000 centres."""
    centers = np.random.default_rng(3).normal(size=(2000, 64)).astype(np.float32) * 2
    points = np.random.default_rng(2).normal(size=(rows, 64)).astype(np.float32)
    points += centers[np.random.default_rng(4).integers(len(centers), size=rows)]
    return points
