"""Grading final answers: graders as data, their rules, and a service that no answer can stop."""
