"""The scripts behind the workflow, one a rule; the code that they call is in `retu`."""
