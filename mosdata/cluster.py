"""The only module that knows Ray."""
