"""Prepares text that people wrote (class names, item ids, file names) for Markdown and HTML."""

import html
import re

_MARKDOWN_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-!|:$~&.])")


def plain(text: str) -> str:
    """The text on one line, with all characters escaped that mean something in Markdown."""
    return _MARKDOWN_MARKS.sub(r"\\\1", " ".join(text.split()))


def escaped(text: str) -> str:
    """The text with all characters escaped that mean something in HTML."""
    return html.escape(text)


def count(n: int, thing: str) -> str:
    """``1 image``, ``1,437 images``."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"
