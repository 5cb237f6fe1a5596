"""Running a study: who works in a folder, what a command line meant, what a disk lacks."""
