"""The audit's tables, figures and page."""
