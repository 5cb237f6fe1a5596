"""Recorded outputs in DVC's cache: kept, fetched and put back."""
