"""Kill -9 in the middle of something: in a forked child, which needs no second import of torch."""

import os
import signal
import traceback


def killed(work):
    """Run ``work(die)`` in a child that must end by its own ``die()``, a real SIGKILL."""
    child = os.fork()
    if child == 0:
        try:
            work(lambda: os.kill(os.getpid(), signal.SIGKILL))
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def at(number, die, function, *, after=False):
    """``function``, but call number ``number`` dies before it, or after it."""
    count = iter(range(10**9))

    def wrapped(*arguments, **options):
        mine = next(count) == number
        if mine and not after:
            die()
        result = function(*arguments, **options)
        if mine and after:
            die()
        return result

    return wrapped
