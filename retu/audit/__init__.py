"""Published numbers against what can be measured again: claims, released curves, report."""
