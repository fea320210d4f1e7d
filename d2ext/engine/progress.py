"""How far a training is, said from its first iteration on, and its end when the time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from detectron2.engine import HookBase, TrainerBase, hooks
from detectron2.utils import comm
from detectron2.utils.events import EventWriter, get_event_storage

logger = logging.getLogger(__name__)


class TimeLimit(HookBase):
    """Ends a training in order after so many minutes; ``SOLVER.MAX_MINUTES`` in the config.

    It lowers the trainer's ``max_iter``, so the iteration that is done then is the last one for every other
    hook: this hook stands before those that judge or save the weights. Must run in every process; all take
    the main process's word, so they end alike.
    """

    #: Most iterations between two looks at the clock, which several processes have to agree on.
    EVERY = 20

    def __init__(self, minutes: float) -> None:
        self._seconds = 60 * minutes
        self._end = float("inf")
        self._next_look = 0

    def before_train(self) -> None:
        """The time begins."""
        self._start = time.perf_counter()
        self._end = self._start + self._seconds
        self._next_look = self.trainer.start_iter + 1

    def seconds_left(self) -> float:
        """Until the training ends; infinity before it has begun."""
        return max(self._end - time.perf_counter(), 0.0)

    def share(self) -> float:
        """Of the time that is over, from 0 to 1; 0 before the training has begun."""
        return max(0.0, 1.0 - self.seconds_left() / self._seconds)

    def after_step(self) -> None:
        """End the training on all processes once the time is over."""
        done = self.trainer.iter + 1
        if done < self._next_look or done >= self.trainer.max_iter:
            return
        self._next_look = comm.all_gather(self._look_after(done))[0]
        if self._next_look == done:
            total = self.trainer.max_iter
            logger.info(f"SOLVER.MAX_MINUTES are over: training ends after {done} of {total} iterations")
            self.trainer.max_iter = done

    def _look_after(self, done: int) -> int:
        """Iterations after which the clock is looked at again, while at least half of those that fit are
        left; ``done`` when the time is over."""
        left = self.seconds_left()
        if left == 0:
            return done
        mean = (time.perf_counter() - self._start) / (done - self.trainer.start_iter)
        return done + min(max(int(left / mean / 2), 1), self.EVERY)


class TimedScheduler(hooks.LRScheduler):
    """The schedule of the learning rate by the share of the time that is over, where that is further than the
    iterations are; ``SOLVER.SCHEDULE_BY_TIME`` in the config. Must run in every process; all take the main
    process's word.

    Args:
        limit: of the time.
    """

    EVERY = 20  # iterations between two looks at the clock

    def __init__(self, limit: TimeLimit) -> None:
        super().__init__()
        self._limit = limit

    def before_train(self) -> None:
        """As Detectron2's; the schedule is for ``max_iter`` as it is now."""
        super().before_train()
        self._total = self.trainer.max_iter

    def after_step(self) -> None:
        """As Detectron2's, and as many steps of the schedule more as the time is ahead."""
        super().after_step()
        if (self.trainer.iter + 1) % self.EVERY == 0:
            share = comm.all_gather(self._limit.share())[0]
            while self.scheduler.last_epoch < share * self._total:
                self.scheduler.step()


class ProgressPrinter(EventWriter):
    """Logs iteration, time left, losses, seconds an iteration and learning rate.

    Losses and times are medians of the last 20 iterations.

    Args:
        trainer: whose progress it is; it has ``start_iter`` and ``max_iter``.
        limit: of its time, None for none.
    """

    WINDOW = 20

    def __init__(self, trainer: TrainerBase, limit: TimeLimit | None = None) -> None:
        self._trainer = trainer
        self._limit = limit
        self._start = time.perf_counter()

    def write(self) -> None:
        """Print one line: losses, seconds, learning rate and what is left."""
        storage = get_event_storage()
        done = storage.iter + 1
        eta = self._seconds_left(done)
        storage.put_scalar("eta_seconds", eta, smoothing_hint=False)
        values = {
            name: history.median(storage.count_samples(name, self.WINDOW))
            for name, history in storage.histories().items()
            if "loss" in name or name in ("time", "data_time")
        }
        losses = "  ".join(f"{name}: {v:.4g}" for name, v in values.items() if "loss" in name)
        seconds = "".join(f"  {name}: {values[name]:.4f}" for name in ("time", "data_time") if name in values)
        rate = f"  lr: {storage.history('lr').latest():.5g}" if "lr" in storage.histories() else ""
        left = timedelta(seconds=round(eta))
        logger.info(f"eta: {left}  iter: {done}/{self._trainer.max_iter}  {losses}{seconds}{rate}")

    def _seconds_left(self, done: int) -> float:
        histories = get_event_storage().histories()
        if "time" in histories:
            step = histories["time"].median(1000)
        else:  # the first iterations are slow and not counted by the timer
            step = (time.perf_counter() - self._start) / max(done - self._trainer.start_iter, 1)
        left = step * (self._trainer.max_iter - done)
        return left if self._limit is None else min(left, self._limit.seconds_left())


class ProgressWriter(HookBase):
    """Lets writers write after the first and the last iteration, every ``period`` iterations, and whenever
    ``seconds`` have passed since they last did; Detectron2's ``PeriodicWriter`` knows iterations only."""

    def __init__(self, writers: Sequence[EventWriter], period: int = 20, seconds: float = 10.0) -> None:
        self._writers = writers
        self._period = period
        self._seconds = seconds
        self._last = 0.0

    def after_step(self) -> None:
        """Write after the first and the last iteration, every period, and when it has been long."""
        done = self.trainer.iter + 1
        ends = done in (self.trainer.start_iter + 1, self.trainer.max_iter)
        late = time.perf_counter() - self._last >= self._seconds
        if ends or late or done % self._period == 0:
            self._last = time.perf_counter()
            for writer in self._writers:
                writer.write()

    def after_train(self) -> None:
        """Write what other hooks have added at the end, and close the writers."""
        for writer in self._writers:
            if not isinstance(writer, ProgressPrinter):
                writer.write()  # what other hooks have added
            writer.close()
