"""Files of a hub's repositories, pinned by a lock."""
