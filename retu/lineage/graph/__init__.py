"""The records of a study as a graph, and why a part of it is out of date."""
