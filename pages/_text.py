"""Text of people's own (class names, item ids, file names) on its way into Markdown."""

import html
import re

_MARKDOWN_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-!|:$~&.])")


def plain(text: str) -> str:
    """The text with Markdown's marks taken out of effect, on one line."""
    return _MARKDOWN_MARKS.sub(r"\\\1", " ".join(text.split()))


def escaped(text: str) -> str:
    """The text with HTML's marks taken out of effect."""
    return html.escape(text)


def count(n: int, thing: str) -> str:
    """``1 image``, ``1,437 images``."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"
