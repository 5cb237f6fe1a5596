"""Tables, figures and the report page of a study, made from the tidy files and nothing else."""
