"""Tests of who comes in, and of the gate."""
