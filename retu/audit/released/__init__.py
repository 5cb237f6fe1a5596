"""The authors' released result files: fetched, read safely, turned into curves and examined."""
