"""Where parts are joined: one file per program. Nothing here computes; what it joins is imported when it starts."""
