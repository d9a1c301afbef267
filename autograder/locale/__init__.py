"""Translations of what students read: a catalogue each language."""
