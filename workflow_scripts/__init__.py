"""The scripts behind the workflow: one thin script per rule, the real code in sub-packages."""
