"""A study of your own files before it is run: drafted, checked, shown as the models will see it."""
