"""Making base models, supervised fine-tuning and reinforcement learning, on TRL's trainers."""
