"""The scripts of a page with charts: the libraries in one piece, and what starts them."""

import functools
from pathlib import Path

import vl_convert

START_SCRIPT = Path(__file__).parents[1] / "page_templates" / "start_charts.js"


@functools.cache
def read_chart_scripts() -> str:
    """All scripts of a page with charts, about 900 kB, once a page; they ask for nothing.

    Raises:
        ValueError: a text in them would end the script element that they stand in.
    """
    libraries: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # A scope of their own: the short names of the libraries stay out of the page's.
    scripts = f"(() => {{\n{libraries}\n}})();\n{START_SCRIPT.read_text(encoding='utf-8')}"
    for ending in ("</script", "<!--"):
        if ending in scripts.lower():
            raise ValueError(f"the charts' scripts hold {ending!r}, so they cannot be inlined")
    return scripts
