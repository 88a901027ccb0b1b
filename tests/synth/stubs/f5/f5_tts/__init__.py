"""Stands for F5-TTS in tests of its adapter: its signatures, and what it does that matters here."""
