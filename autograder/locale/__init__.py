"""Translations of what students read: a catalogue for each language."""
