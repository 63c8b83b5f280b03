"""Where parts are joined, one file per program. Nothing here computes."""
