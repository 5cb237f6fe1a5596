"""Studies: experiment facts in YAML, typed once, and the job each rule derives from them."""
