"""Recipes that come along, one TOML file each."""

from typing import Final

RECIPES: Final = ("moe-paper",)
"""Their names."""
