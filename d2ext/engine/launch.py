"""From a script's ``main(args)`` to running processes, with errors a user can act on in one line."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from typing import Any

import cv2
import torch
import torch.distributed as dist
from detectron2.config import CfgNode
from detectron2.engine import launch
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import setup_logger

from d2ext.files import write_bytes
from d2ext.quiet import quiet_warnings

#: Raised for wrong input (files, configs, arguments) or a diverged training: the message says all there is.
USER_ERRORS = (ValueError, OSError, FloatingPointError)
#: Parts of the errors by which yacs and Detectron2's catalogs report a wrong name in a config.
CONFIG_ERRORS = (
    "Non-existent config key",
    "Non-existent key",
    "Override list has odd length",
    "is not registered",
)

Main = Callable[[argparse.Namespace], Any]


def default_setup(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Create ``OUTPUT_DIR`` with ``config.yaml`` and ``log.txt``, set the loggers up and seed all generators.

    Like Detectron2's function of this name, but the environment and the config go to the files only, and
    ``config.yaml`` begins with the name of the file that it comes from.
    """
    if comm.is_main_process():
        os.makedirs(cfg.OUTPUT_DIR, exist_ok=True)
    comm.synchronize()
    rank = comm.get_rank()
    for name in ("detectron2", "d2ext"):
        setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank, name=name)
    record = setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank, name="d2ext.run", configure_stdout=False)
    record.info(f"Environment:\n{collect_env_info()}")
    record.info(f"Arguments: {args}")
    record.info(f"Config:\n{cfg.dump()}")
    if comm.is_main_process():
        name = getattr(args, "config_file", "")
        head = f"# {name}\n" if name else ""
        write_bytes(os.path.join(cfg.OUTPUT_DIR, "config.yaml"), (head + cfg.dump()).encode())
    seed_all_rng(cfg.SEED + rank if cfg.SEED >= 0 else None)
    if cfg.SEED >= 0 and cfg.MODEL.DEVICE == "cpu":
        # Without it threads add up the gradients of indexing in any order.
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK and not getattr(args, "eval_only", False)
    set_tf32(cfg.TF32)


def set_tf32(enabled: bool) -> None:
    """Whether a GPU computes products and convolutions of float32 in TF32, in the whole process."""
    torch.set_float32_matmul_precision("high" if enabled else "highest")
    torch.backends.cudnn.allow_tf32 = enabled


def settle_process() -> None:
    """What a command changes in its process, and importing d2ext does not: which warnings show, and OpenCV's
    threads, which a fork, such as that of a data loader's workers, would wait for."""
    quiet_warnings()
    cv2.setNumThreads(0)


def default_main(main: Main, args: argparse.Namespace) -> None:
    """Run ``main(args)`` in as many processes as asked for.

    Each begins with :func:`settle_process`. Under torchrun (its environment variables are set) this process
    is one of the workers; otherwise ``args.num_gpus`` processes are started (without a GPU: CPU processes
    that talk through gloo). ``args`` has the flags of ``detectron2.engine.default_argument_parser``;
    ``d2ext_cli`` has such a parser.

    An error that a user can act on (:func:`user_message`) ends the program with status 1 and one line
    ``error: ...`` on stderr, without a traceback unless the environment variable ``D2EXT_DEBUG`` is 1. Other
    errors are bugs and keep theirs.
    """
    settle_process()
    debug = os.environ.get("D2EXT_DEBUG") == "1"
    if not debug:
        logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    messages = multiprocessing.get_context("spawn").SimpleQueue()
    try:
        if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
            _torchrun_worker(main, args, messages)
        else:
            launch(
                _worker,
                args.num_gpus,
                args.num_machines,
                args.machine_rank,
                dist_url="auto" if args.num_machines == 1 else args.dist_url,
                args=(main, args, messages),
            )
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception:
        # When one of several processes fails the others lose their connection, and any of those errors may be
        # the one that arrives here; the message is that of the process that met the user's error.
        if debug or messages.empty():
            raise
        print(f"error: {messages.get()}", file=sys.stderr)
        sys.exit(1)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """:func:`default_main`'s treatment of a command, for one process."""
    settle_process()
    try:
        yield
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as e:
        message = user_message(e)
        if os.environ.get("D2EXT_DEBUG") == "1" or message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        sys.exit(1)


def user_message(error: BaseException) -> str | None:
    """One line for an error that a user can act on, else None: wrong input or a diverged training.

    Looks through errors that a data loading worker passed on, which hold the original traceback as text.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if not isinstance(error, USER_ERRORS) and not any(part in text for part in CONFIG_ERRORS):
        return None
    if "Original Traceback" in text:
        text = re.split(r"^(?:\w+\.)*\w+Error: ", text, flags=re.MULTILINE)[-1]
    return " ".join(text.split())


def _worker(main: Main, args: argparse.Namespace, messages: SimpleQueue[str]) -> None:
    """Runs in each process; leaves the message for the user of an error in ``messages``."""
    settle_process()
    if os.environ.get("D2EXT_DEBUG") != "1":
        # Detectron2's training loop logs the traceback of any error before passing it on.
        logging.getLogger("detectron2.engine.train_loop").addFilter(_has_no_user_error)
    try:
        main(args)
    except Exception as e:
        message = user_message(e)
        if message:
            messages.put(message)
        raise


def _has_no_user_error(record: logging.LogRecord) -> bool:
    return not (record.exc_info and record.exc_info[1] and user_message(record.exc_info[1]))


def _torchrun_worker(main: Main, args: argparse.Namespace, messages: SimpleQueue[str]) -> None:
    local_rank, local_size = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        comm.create_local_process_group(local_size)
        comm.synchronize()
        _worker(main, args, messages)
    finally:
        dist.destroy_process_group()
