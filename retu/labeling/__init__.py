"""Sub-phases of an SFT run and the checkpoints at which RL branches off."""
