"""Intelligent Operations Center: messages come in, become series and cases, and are seen, judged and acted upon.

`docs/architecture.md` says what each package is for and what it may not do; `.importlinter` holds those rules.
"""

__version__ = "0.1.0"
