"""From generations to curves: grading, scores per checkpoint, and the joint table of curves."""
