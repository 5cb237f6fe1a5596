"""What `retu lineage` answers and hands out, one module a question."""
