"""What made an output: a record beside it, the graph of records, and what DVC knows of it."""
