"""What is decided about sessions: pure values and functions, without I/O and without a clock."""
