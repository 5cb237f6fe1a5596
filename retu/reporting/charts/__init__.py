"""Figures of a page that answer: points tell what they are, branches are switched, axes zoom.

Each chart is a Vega-Lite specification with its data inside, and a picture of it for pages without
scripts and for print. Nothing is fetched: the libraries come with `vl_convert`.
"""
