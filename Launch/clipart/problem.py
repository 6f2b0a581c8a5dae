"""What ends the command with a message and an exit code."""

# Exit codes as in sysexits.h, the same as the other commands'.
USAGE, DATA, UNAVAILABLE, IO, BUSY = 64, 65, 69, 74, 75


class Problem(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
