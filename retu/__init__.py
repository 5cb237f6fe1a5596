"""Expert trajectories in LLM post-training: data, training, evaluation, fits, lineage."""
