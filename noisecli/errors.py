"""Everything that a user can cause, as classes. The command line turns them into one line and an exit code."""


class NoiseError(Exception):
    """Base of every error that noisecli raises on purpose; the message says what is wrong, where, and what to do."""

    exit_code = 1


class NoiseWarning(UserWarning):
    """Noise in memory that is not quite what its recipe asks for; in files the manifest says so."""


class SystemProblem(NoiseError):
    """The environment failed: disk, permission, a worker that died."""


class UsageProblem(NoiseError):
    """The arguments ask for something that cannot be done."""

    exit_code = 2


class RecipeProblem(NoiseError):
    """The recipe is wrong; the message lists every fault."""

    exit_code = 2


class DataProblem(NoiseError):
    """The input is not what it seems to be."""

    exit_code = 3


class RowProblem(DataProblem):
    """It shows in a row; the message begins with the row, and gets the name of the file where that is known."""


class CheckFailed(NoiseError):
    """`verify` or `replay` found a difference."""

    exit_code = 4
