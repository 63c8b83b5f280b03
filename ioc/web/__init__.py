"""The ASGI side of the centre: the gate in front, then sign-in, intake, read API, live streams and health."""
