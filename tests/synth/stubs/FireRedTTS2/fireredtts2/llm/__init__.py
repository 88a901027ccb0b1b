"""A package of the stand-in for FireRedTTS-2."""
