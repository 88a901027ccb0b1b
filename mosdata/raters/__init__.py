"""What is known about the people who rate: how well they agree, and what that allows."""
