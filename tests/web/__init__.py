"""The web program: the API, the intake, live views and health, behind the real gate."""
