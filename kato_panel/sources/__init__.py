"""What observes upstream; each source is a stranger to the others."""
