"""Items drawn as small PNGs of one size, alone or many in one."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from dgm_engine.data.pool import Pool

MAX_PIXELATED_SIDE = 16
"""Images up to this many pixels a side are enlarged without smoothing, which would only blur them."""

GAP_PIXELS = 3
"""Pixels between the images of a sheet that people see whole."""

BAR_SCALE_ROWS = 1000
"""Rows of the pool from which the height of feature bars is scaled."""


def items(pool: Pool, x: NDArray[Any], size: int) -> list[Image.Image]:
    """Items like the pool's, x (N, *shape): images as `cells`, feature vectors as `bars`."""
    return cells(x, size) if pool.is_images else bars(x, pool.x, size)


def cells(x: NDArray[np.generic], size: int) -> list[Image.Image]:
    """Each image, whole and centred, in a transparent square of ``size`` pixels.

    Args:
        x: (N, H, W, C) uint8, C being 1 or 3.
        size: pixels a side.
    """
    method = Image.Resampling.NEAREST if max(x.shape[1:3]) <= MAX_PIXELATED_SIDE else Image.Resampling.LANCZOS
    grey = x.shape[3] == 1
    return [
        ImageOps.pad(
            Image.fromarray(image[..., 0] if grey else image).convert("LA" if grey else "RGBA"),
            (size, size),
            method,
            color=(0, 0) if grey else (0, 0, 0, 0),
        )
        for image in x
    ]


def bars(x: NDArray[np.floating], pool: NDArray[np.floating], size: int) -> list[Image.Image]:
    """Feature vectors as bars: one for each feature, or for each group of neighbours if there are many.

    A full bar is two standard deviations above the feature's mean over the pool, an empty one two below.

    Args:
        x: (N, D).
        pool: (M, D), what the bars are measured against.
        size: pixels a side.
    """
    sample = np.asarray(pool[:: max(1, len(pool) // BAR_SCALE_ROWS)], dtype=np.float32)
    spread = np.maximum(sample.std(axis=0), 1e-6)
    height = np.clip(0.5 + (np.asarray(x, dtype=np.float32) - sample.mean(axis=0)) / (4 * spread), 0, 1)  # (N, D)
    n_bars = min(height.shape[1], size // 2)
    first: NDArray[np.int64] = np.arange(n_bars) * height.shape[1] // n_bars  # of each bar's features
    width = np.diff(first, append=height.shape[1])
    height = np.add.reduceat(height, first, axis=1) / width  # (N, n_bars)
    column = np.arange(size) * n_bars // size  # the bar of each pixel column
    filled = np.arange(size, 0, -1)[None, :, None] <= np.round(height[:, column] * size)[:, None, :]  # (N, size, size)
    return [Image.fromarray(np.dstack([np.full_like(alpha, 128), alpha])) for alpha in filled.astype(np.uint8) * 255]


def sheet(images: list[Image.Image], columns: int, size: int, gap: int = 0) -> Image.Image:
    """The images in reading order, ``columns`` to a line, ``gap`` pixels after each; at least one cell large."""
    lines, step = max(1, -(-len(images) // columns)), size + gap
    result = Image.new(images[0].mode if images else "LA", (columns * step, lines * step))
    for index, image in enumerate(images):
        result.paste(image, (index % columns * step, index // columns * step))
    return result


def numbered(rows: list[tuple[int, list[Image.Image]]], size: int) -> Image.Image:
    """A line of images for each row, its number before it; at least one row, all of the same length."""
    gutter = max(28, size)
    page = sheet([image for _, images in rows for image in images], len(rows[0][1]), size, GAP_PIXELS)
    result = Image.new(page.mode, (gutter + page.width, page.height))
    result.paste(page, (gutter, 0))
    draw, font = ImageDraw.Draw(result), ImageFont.load_default(size // 3)
    grey = (128, 255) if page.mode == "LA" else (128, 128, 128, 255)
    for line, (number, _) in enumerate(rows):
        draw.text((gutter // 2, line * (size + GAP_PIXELS) + size // 2), str(number), grey, font, anchor="mm")
    return result


def png(image: Image.Image) -> bytes:
    """The image as a PNG, written for speed more than for size."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
