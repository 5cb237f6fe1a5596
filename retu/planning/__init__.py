"""From a study to its stages: what each rule is told, what it comes after, which code it runs."""
