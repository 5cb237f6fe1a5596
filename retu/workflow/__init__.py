"""What the Snakefile itself calls: its folder, targets, failures and command line."""
