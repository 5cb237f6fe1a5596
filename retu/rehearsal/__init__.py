"""A hub in a folder: tiny models and made-up sets in the form of the paper's repositories."""
