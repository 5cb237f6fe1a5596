"""Pages with charts: they may use all of `retu.reporting`, and nothing of it uses them."""
