"""What a job writes of itself: its record, begun before it runs."""
