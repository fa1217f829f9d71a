"""Calls over several processes: what they give, print and raise is what one process would."""

import pickle
import signal
import sys
import threading
import traceback
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

import torch

from kdlab.machine import free_memory

# What a forked process of a lesson's study writes to, with room to spare: tests/benchmark.py measures it.
PRIVATE_BYTES = 250e6


def how_many(most):
    """How many processes are worth it for ``most`` calls: as many as cores and free memory allow.

    One where processes cannot be forked: they would take seconds to start, and memory of their own.
    """
    import joblib

    if most == 1 or not _can_fork():
        return 1
    return max(1, int(min(most, joblib.cpu_count(), free_memory() / PRIVATE_BYTES)))


def _can_fork():
    """Whether a copy of this process would run.

    OpenMP's threads are lost in a copy, which then waits for them; so are those that PyTorch starts for an
    accelerator's gradients. On macOS the system's own libraries end a copy.
    """
    single = sys.platform == "linux" and torch.get_num_threads() == 1
    return single and not torch.accelerator.is_available() and parent_process() is None


def each(function, items, *, workers, heard, what="item"):
    """Yield ``(place, function(item, tell))`` as calls finish, over this many processes.

    Parameters
    ----------
    function : callable
        ``tell()`` within it calls ``heard()`` here. What it gives comes back pickled.
    items : list
        Handed out in order.
    workers : int
        With 1, or where there are no processes to be had, all is called here and in order.
    heard : callable
    what : str
        What an item is, for the message on a process that was killed.

    Raises
    ------
    Exception
        The one that calls in order would have raised: of the first item that fails, once all before it are
        done. Its cause is the traceback in the process.
    RuntimeError
        If a process was killed.
    """
    team = _team(function, items, min(workers, len(items)))
    if not team:
        for place, item in enumerate(items):
            yield place, function(item, heard)
        return
    try:
        yield from _shared_out(team, items, heard, what)
    finally:
        for worker in team:
            worker.end()


def _shared_out(team, items, heard, what):
    todo, at, failed = iter(range(len(items))), {}, {}
    for worker in team:
        at[worker] = worker.take(next(todo))
    # After an error only those before it can matter: they go on to their end.
    while any(place < min(failed, default=len(items)) for place in at.values()):
        for worker, kind, value in _messages(at):
            place = at[worker]
            if kind == "heard":
                heard()
            elif kind in ("stdout", "stderr"):
                print(value, end="", file=getattr(sys, kind), flush=True)
            elif kind == "died":
                failed[at.pop(worker)] = RuntimeError(
                    f"the process at {what} {items[place]} ended ({value}); if memory ran out, fewer workers "
                    "take less"
                )
            elif kind == "failed":
                failed[at.pop(worker)], traceback_there = value
                failed[place].__cause__ = _Traceback(traceback_there)
            else:
                yield place, value
                following = None if failed else next(todo, None)
                if following is None:
                    del at[worker]
                else:
                    at[worker] = worker.take(following)
    if failed:
        raise failed[min(failed)]


def _messages(workers):
    """What has come from these, at least one thing."""
    said = {handle: worker for worker in workers for handle in (worker.connection, worker.process.sentinel)}
    ready = []
    while not ready:  # an interrupt that comes just before the wait is heard after it
        ready = wait([*said], timeout=1)
    for worker in {said[handle]: None for handle in ready}:
        alive = worker.process.is_alive()  # asked first, so that its last words are heard
        with suppress(EOFError, OSError):
            while worker.connection.poll():
                yield worker, *pickle.loads(worker.connection.recv_bytes())
            if alive:
                continue
        if worker in workers:
            yield worker, "died", worker.how_it_ended()


class _Worker:
    """A process that takes places of items, and this side of the line to it."""

    def __init__(self, context, serve):
        self.connection, self._theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(self._theirs,))

    def start(self):
        with _unheard():
            self.process.start()
        self._theirs.close()
        return self

    def take(self, place):
        with suppress(OSError):  # it has died: the next look at it says so
            self.connection.send(place)
        return place

    def how_it_ended(self):
        self.process.join()
        code = self.process.exitcode
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def end(self):
        self.connection.close()
        if self.process.pid is not None:
            self.process.terminate()
            self.process.join()


def _team(function, items, count):
    """The processes, each started; none where there are none to be had."""
    if count == 1 or parent_process() is not None:
        return []
    team = []
    if _can_fork():
        context, serve = get_context("fork"), partial(_serve_forked, function, items, team)
    else:
        try:
            from joblib.externals.loky.backend import get_context as loky_context

            packed = _pack_code((function, items, torch.get_default_dtype()))
            context, serve = loky_context("loky"), partial(_serve_packed, packed, torch.get_num_threads())
        except Exception:  # no such platform, or something that cannot be sent
            return []
    try:
        for _ in range(count):
            team.append(_Worker(context, serve))
            team[-1].start()
    except OSError:  # the system gives no more
        team.pop().end()
    except BaseException:
        for worker in team:
            worker.end()
        raise
    return team


@contextmanager
def _unheard():
    """What starts within is deaf to Ctrl-C, which reaches a whole group: this side ends it."""
    mask = hasattr(signal, "pthread_sigmask") and signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with warnings.catch_warnings():
            # Python warns of locks that other threads hold: those that a copy asks for are made anew.
            warnings.filterwarnings("ignore", "This process", DeprecationWarning)
            yield
    finally:
        if mask is not False:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _pack_code(this):
    try:
        import cloudpickle
    except ImportError:
        from joblib.externals import cloudpickle
    return cloudpickle.dumps(this)


def _serve_forked(function, items, team, connection):
    for worker in team:  # this side's copies would keep the lines open when the other side is gone
        worker.connection.close()
    _serve(function, items, connection)


def _serve_packed(packed, threads, connection):
    torch.set_num_threads(threads)
    function, items, dtype = pickle.loads(packed)
    torch.set_default_dtype(dtype)
    _serve(function, items, connection)


def _serve(function, items, connection):
    """In the process: take places and send what comes of them, until the other side is gone."""
    from tqdm import tqdm

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tqdm.set_lock(threading.RLock())  # the one that was copied may be held by a thread that was not

    def send(kind, value=None):
        connection.send_bytes(_packed(kind, value))

    sys.stdout, sys.stderr = _Sent("stdout", send), _Sent("stderr", send)
    with suppress(EOFError, OSError):
        while True:
            place = connection.recv()
            try:
                message = "done", function(items[place], partial(send, "heard"))
            except BaseException as error:
                message = "failed", _portable(error)
            sys.stdout.flush()
            sys.stderr.flush()
            send(*message)


def _packed(kind, value):
    # Not by the connection's own pickler: that passes tensors in shared memory, of which there may be little.
    try:
        return pickle.dumps((kind, value))
    except Exception:
        return _pack_code((kind, value))


class _Traceback(Exception):
    """The traceback in a process, as text: the cause of an error from there."""


def _portable(error):
    """The error with its traceback as text; where it cannot be sent, one that says the same."""
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(_packed("failed", error))
    except Exception:
        notes = getattr(error, "__notes__", [])
        error = RuntimeError(f"{type(error).__name__}: {error}")
        for note in notes:
            error.add_note(note)
    return error, text


class _Sent:
    """A stream whose lines are written on the other side."""

    encoding = "utf-8"

    def __init__(self, name, send):
        self.name, self._send, self._kept = name, send, ""

    def write(self, text):
        lines, end, self._kept = (self._kept + text).rpartition("\n")
        if end:
            self._send(self.name, lines + end)
        return len(text)

    def flush(self):
        if self._kept:
            self._send(self.name, self._kept)
            self._kept = ""

    def isatty(self):
        return False
