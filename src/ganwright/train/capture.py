"""Rounds that are captured once and played again, so that a small net does not wait for its own launches.

A round of a small net is hundreds of kernels that each take a GPU less time than the CPU needs to launch
them. As a CUDA graph they are launched at once. A graph is a list of calls with the tensors that they
touched: what Python decided stays decided, so there is one for each kind of round (`game.Kind`); numbers
that change are read from scalars on the device (`game.Held`), examples from tensors that are filled
before, and what a round moves is written in place. Draws follow the generator's seed, which is set
before every round. So a captured round is the same function of (indices, numbers, seed, state) as one
played call by call, and `tests/capture` checks that on a CPU with a recorder of its own.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ganwright.base.errors import OptionError
from ganwright.game import Kind, Result

WARM = 2  # rounds before a capture, in which libraries choose their kernels
AHEAD = 8  # rounds between two marks; the CPU is at most two marks ahead of the device
# Looked up together: of more, torch sorts the gradient, and waits for the device (pytorch issue 82886).
MOST_LABELS = 3072
OFF = "--set train.capture=off plays every round call by call"

Play = Callable[[], Result]


class Unfit(Exception):
    """A round that can't be captured; the message says why."""


class Recorder(Protocol):
    """Captures on one kind of device."""

    def warm(self, play: Play) -> None:
        """Plays rounds as they will be captured, so that all that is made on first use is there.

        Raises Unfit where a round waits for the device.
        """

    def take(self, play: Play) -> tuple[Callable[[], None], Result]:
        """Captures a round: what plays it again, and the result that is then filled. Raises Unfit."""

    def forget(self) -> None:
        """Nothing captured so far will be played again."""


class Taken(NamedTuple):
    """A captured kind of round."""

    replay: Callable[[], None]
    result: Result
    counted: tuple[int, ...]  # what the round adds to Python's counts


class Counts(Protocol):
    """The whole numbers that Python keeps of rounds."""

    def get(self) -> tuple[int, ...]: ...
    def set(self, counts: tuple[int, ...]) -> None: ...


class Captured:
    """Plays rounds, each kind captured when it first comes.

    `moving()` are all tensors that a round writes; those not yet there are zeros at first. `seed()` sets
    the generators for the round. `why` says why nothing is captured, where that is so.
    """

    def __init__(
        self,
        recorder: Recorder,
        moving: Callable[[], Iterable[Tensor]],
        counts: Counts,
        why: str = "",
    ) -> None:
        self.recorder, self.moving, self.counts, self.why = recorder, moving, counts, why
        self._taken: dict[Kind, Taken] = {}
        self._told = False

    def round(self, kind: Kind | None, play: Play, seed: Callable[[], None]) -> Result:
        """One round. Its result is that of the next round, too, once that is played."""
        if kind is None or self.why:
            return play()
        if kind not in self._taken:
            try:
                self._taken[kind] = self._take(play)
            except Unfit as error:
                self.why = str(error)
            seed()
            if self.why:
                return play()
        taken = self._taken[kind]
        taken.replay()
        self.counts.set(tuple(map(sum, zip(self.counts.get(), taken.counted, strict=True))))
        return taken.result

    def _take(self, play: Play) -> Taken:
        """Captures a kind of round; afterwards, everything is as it was before."""
        # Detached: a graph kept alive would bind the weights' gradients to another stream.
        before = {id(tensor): tensor.detach().clone() for tensor in self.moving()}
        counts = self.counts.get()

        def again() -> Result:
            self.counts.set(counts)
            return play()

        try:
            self.recorder.warm(again)
            replay, result = self.recorder.take(again)
            after = self.counts.get()
        finally:
            self.counts.set(counts)
            with torch.no_grad():
                for tensor in self.moving():
                    was = before.get(id(tensor))
                    tensor.zero_() if was is None else tensor.copy_(was)
        return Taken(replay, result, tuple(b - a for a, b in zip(counts, after, strict=True)))

    def forget(self) -> None:
        """After tensors were replaced: kinds of rounds are captured anew."""
        self._taken.clear()
        self.recorder.forget()

    def reason(self) -> str | None:
        """Why rounds are played call by call, the first time it is asked."""
        if not self.why or self._told:
            return None
        self._told = True
        return self.why


class Graphs:
    """CUDA graphs, which share one pool of memory: none needs what another has left there."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        self.forget()

    def forget(self) -> None:
        self.pool = torch.cuda.graph_pool_handle()
        self._played, self._mark = 0, torch.cuda.Event(blocking=True)

    def warm(self, play: Play) -> None:
        """On a side stream, as captures are; the last round may not wait for the device."""
        gc.collect()  # trainers that were only tried hold memory until then
        self.stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(self.stream):
                for _ in range(WARM):
                    play()
                with _refusing_to_wait():
                    play()
        finally:
            torch.cuda.current_stream().wait_stream(self.stream)

    def take(self, play: Play) -> tuple[Callable[[], None], Result]:
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            # Other threads may go on: one that reads examples ahead allocates pinned memory.
            with torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ):
                result = play()
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # which torch leaves to the capture
            first = error.__context__ or error  # the error that ended the capture, not its end's
            raise _failed(first) from None

        def replay() -> None:
            graph.replay()
            self._played += 1
            if self._played % AHEAD == 0:
                self._mark.synchronize()
                self._mark.record()

        return replay, result


@contextmanager
def _refusing_to_wait() -> Iterator[None]:
    """Raises Unfit for a call that waits for the device."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that not every such call is found
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise Unfit(f"a round waits for the device ({_line(error)})") from None
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _failed(error: BaseException) -> Unfit:
    """What a failed capture means. Raises OptionError where the device can't go on without it."""
    try:
        torch.rand((), device="cuda")  # the generator may still wait for the capture's end
    except RuntimeError:
        raise OptionError(f"train.capture: failed here ({_line(error)}); {OFF}") from None
    return Unfit(f"the device refused ({_line(error)})")


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
