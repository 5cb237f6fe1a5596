from retu.rehearsal.tiny_policy import make_tiny_policy as make_tiny_policy
