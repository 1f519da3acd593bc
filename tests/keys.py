"""Numbers of a page that do not say what they are."""

from __future__ import annotations

import re

from sierbook.numbers import MARK


def list_unkeyed(page: str) -> list[str]:
    """Return the cells of a page's tables in which a number stands without its key."""
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    texts = [re.sub(r"<[^>]+>", "", MARK.sub("", cell)) for cell in cells]
    return [text for text in texts if re.search(r"\d", text)]
