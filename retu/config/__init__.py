"""What can be set: studies, recipes, graders and protocols, as types and as presets."""
