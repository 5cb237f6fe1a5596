"""Fits of branches by any protocol, and their tables."""
