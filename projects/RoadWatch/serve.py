#!/usr/bin/env python3
"""Show a watched road on a page in the browser; answer sentences about it and about one's own pictures.

    .venv/bin/python projects/RoadWatch/serve.py --config-file configs/RoadWatch/road_watch.yaml \\
        --input clip.mp4 --calib calib.txt --ground denorm.txt --road road.json --output watched
    .venv/bin/python projects/RoadWatch/serve.py

With --input it watches as watch.py does, and --output gets the same files. Without it the page is for
pictures of one's own. Sentences are answered by U2ENet, with the weights that come with the code unless
--ask-config and --ask-weights name others.

It listens on 127.0.0.1, for this machine alone. With another --host a token is needed, which is made up
where --token gives none; the address that is printed has it.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import secrets
import shutil
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_options,
    config_file,
    existing_file,
    integer,
    number,
    output_folder,
    run_command,
)
from d2ext_cli.camera import add_camera, add_ground, add_road, given_camera, given_ground

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detectron2.config import CfgNode

    from d2ext.projects.road_watch.asker import Asker
    from d2ext.projects.road_watch.live import Live

_LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")
_NEEDS = ("fastapi", "uvicorn")


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    parser.add_argument("--config-file", type=config_file, metavar="FILE", help="a file of configs/RoadWatch")
    parser.add_argument("--input", help="video, folder of pictures, or address of a stream")
    add_camera(parser)
    add_ground(parser)
    add_road(parser)
    parser.add_argument("--output", type=output_folder, help="folder of the results")
    parser.add_argument("--labels", type=existing_file, help="KITTI tracking labels in a detector's place")
    parser.add_argument("--fps", type=number(0), help="pictures a second to look at, at most")
    parser.add_argument(
        "--repeat", action="store_true", help="begin again where a file ends, in a new folder"
    )
    parser.add_argument("--device", default="", help="for the models, such as cuda (default: the configs')")
    parser.add_argument("--ask-config", type=config_file, metavar="FILE", help="a file of configs/U2ENet")
    parser.add_argument("--ask-weights", default="d2ext://u2enet/tiny", help="its checkpoint")
    parser.add_argument("--no-ask", action="store_true", help="without a model for sentences")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=integer(0), default=8000, help="default 8000")
    parser.add_argument("--token", default="", help="that viewers must know")
    add_options(parser)
    parser.add_check(_check)
    return parser


def _check(args: argparse.Namespace) -> None:
    names = ("config_file", "output")
    missing = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is None]
    if args.input is not None and missing:
        raise ValueError(f"--input: expected {missing[0]} with it")
    if args.port > 65535:
        raise ValueError(f"--port {args.port}: expected at most 65535")
    if args.token and not all(c.isascii() and (c.isalnum() or c in "-_.~") for c in args.token):
        raise ValueError("--token: expected letters, digits and - _ . ~")


def main(args: argparse.Namespace) -> None:
    """Serve until interrupted."""
    for name in _NEEDS:
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"the page needs the package {name}: pip install 'd2ext[serve]'")
    listener = listen(args.host, args.port)  # said before models are built and anything is written
    import uvicorn

    from d2ext.projects.road_watch.live import Live
    from d2ext.projects.road_watch.page import build_app

    settings = watch_settings(args) if args.input is not None else None
    local = args.host in _LOCAL
    token = args.token or ("" if local else secrets.token_urlsafe(16))
    asker, live = make_asker(args), Live()
    if settings is not None:
        given = (args, settings, live, asker)
        threading.Thread(target=watch, args=given, name="watch", daemon=True).start()
    app = build_app(live, asker, token=token, hosts=_LOCAL if local else ())
    query = f"/?token={token}" if token else "/"
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"open http://{host}:{listener.getsockname()[1]}{query} (Ctrl-C ends)", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False)).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that nobody else can have; port 0 is any that is free.

    Raises:
        ValueError: the port is in use, or the machine has no such address.
    """
    host = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"--host {host} --port {port}: {reason}, expected another one") from None
    return listener


def make_asker(args: argparse.Namespace) -> Asker | None:
    """Of --ask-config and --ask-weights; None: without."""
    if args.no_ask:
        return None
    from d2ext.projects.road_watch.asker import Asker, SentencePredictor
    from d2ext.shipped import get_config_file

    config = args.ask_config or get_config_file("U2ENet/u2enet_tiny_synthroad.yaml")
    return Asker(SentencePredictor(config, args.ask_weights, args.device))


def watch_settings(args: argparse.Namespace) -> CfgNode:
    """The config of the chain; what can be known to be wrong with it, the input and the road is told.

    Raises:
        FileNotFoundError, ValueError, KeyError: it is.
    """
    from d2ext.engine import load_config
    from d2ext.projects.road_watch import add_road_watch_config
    from d2ext.projects.road_watch.setup import road_of
    from d2ext.projects.road_watch.source import make_source

    options = [*args.opts]
    options += ["ROAD_WATCH.SOURCE.FPS", str(args.fps)] if args.fps is not None else []
    cfg = load_config(add_road_watch_config, args.config_file, options)
    make_source(args.input, cfg.ROAD_WATCH.SOURCE)
    road_of(args.road, cfg)
    return cfg


def watch(args: argparse.Namespace, cfg: CfgNode, live: Live, asker: Asker | None) -> None:
    """Watch in this thread; what goes wrong is told on the page and here."""
    from d2ext.projects.road_watch.setup import Place
    from d2ext.projects.road_watch.shown import show_run

    try:
        place = Place(given_camera(args), given_ground(args), args.road, args.device, args.labels)
        for folder in passes(args.output) if args.repeat else [args.output]:
            print(show_run(cfg, args.input, place, folder, live, asker), flush=True)
        live.end()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        live.end(str(error))
    except Exception:  # the page would show its last picture for ever
        traceback.print_exc()
        live.end("watching has failed: the server's log says why")


def passes(output: Path) -> Iterator[Path]:
    """A new folder each time; of those that were made here the one before the last is removed, so that the
    disk does not fill."""
    made: list[Path] = []
    for count in itertools.count(1):
        folder = output / f"{count:04d}"
        if folder.exists():
            continue
        made.append(folder)
        yield folder
        if len(made) > 1:
            shutil.rmtree(made.pop(0), ignore_errors=True)


if __name__ == "__main__":
    run_command(build_parser(), main)
