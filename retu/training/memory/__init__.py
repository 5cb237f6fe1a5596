"""Training that fits a machine: heads without all logits, micro-batches by tokens, adapters."""
