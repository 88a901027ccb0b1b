"""Plan, execute, commit: every dataset is made here."""
