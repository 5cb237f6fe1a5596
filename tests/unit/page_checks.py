"""What every report page promises, checked on its text."""

import re


def check_self_contained(page: str) -> None:
    """Nothing of a page is fetched from anywhere; it may only link."""
    bare = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<(link|iframe|object|embed)\b|@import|url\((?!['\"]?(?:#|%23))", bare)
    assert not re.search(r"<script\b[^>]*\bsrc=", page)
    sources = re.findall(r'\bsrc="([^"]*)"', bare)
    assert sources
    assert all(
        source.startswith(("data:image/svg+xml;base64,", "data:image/svg+xml,"))
        for source in sources
    )
    linked = re.findall(r'href="(https?:[^"]*)"', bare)
    assert all(url.startswith(("https://arxiv.org/", "https://github.com/")) for url in linked)
