"""What is known of each engine family: one file each, facts only, nothing loaded."""
