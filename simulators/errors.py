"""What can go wrong in the simulators, each with a sentence that says what to do."""


class SimulatorError(Exception):
    """Root of all errors that the command line shows as one sentence (exit code 1)."""


class KeyRefused(SimulatorError):
    """The server does not accept the API key; sending on would not help."""


class NotAnIntake(SimulatorError):
    """Something answers at the address, but not as the intake does."""


class ServerAway(SimulatorError):
    """The server could not be reached within the patience given."""
