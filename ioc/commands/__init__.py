"""Groups of commands, one module each. A command imports only the program that it starts."""
