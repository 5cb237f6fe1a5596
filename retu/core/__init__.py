"""What everything stands on: errors, files, hashes, tables, text. Imports none of the others."""
