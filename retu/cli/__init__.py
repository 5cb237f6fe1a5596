"""The command `retu`, its sub-commands, and the command that every rule runs."""
