"""The lab's data: a verifiable task, its tokenizer, data sets on disk and the checks on them."""
