"""The command ``d2ext``: what the collection does, from anywhere, also where only its wheel is installed.

Each of its commands is one of the scripts that come with the code, found by its name in the tree, or stands
beside this module. Nothing heavy is imported before arguments are checked.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from functools import partial

from d2ext_cli import doctor, looking, models
from d2ext_cli.scripts import run_generator, run_script

Words = list[str]

_LANES = "projects/RoadWatch/find_lanes.py"

#: Name -> what it does, and what does it.
COMMANDS: dict[str, tuple[str, Callable[[Words], None]]] = {
    "ask": ("what sentences mean in a picture, a folder of them or a video", looking.ask),
    "find": ("whatever is named in a picture, a folder of them or a video", looking.find),
    "detect": ("the objects in pictures or a video", looking.detect),
    "watch": ("video of a fixed camera -> tracks, speeds, counts, alarms", models.watch),
    "train": ("train a model of the zoo, or of a config, anew", models.train),
    "evaluate": ("measure a model of the zoo, or MODEL.WEIGHTS of a config", models.evaluate),
    "predict": ("lists of images, on all GPUs or a Ray cluster", models.predict),
    "convert": ("recordings and datasets: one format -> another", partial(run_script, "scripts/convert.py")),
    "calibrate": ("a camera from points, lanes or vehicles", partial(run_script, "scripts/calibrate.py")),
    "lanes": ("centre lines of a watched road from its tracks", partial(run_script, _LANES)),
    "synthroad": ("render labelled pictures or clips of roads", partial(run_generator, "synthroad")),
    "synthtraffic": ("simulate recordings with anomalies", partial(run_generator, "synthtraffic")),
    "export": ("a model as ONNX graphs", models.export),
    "serve": ("a page that shows a watched road and answers sentences", models.serve),
    "doctor": ("what is installed and what this machine has; is a dataset whole", doctor.run),
    "zoo": ("models by name, with what they reach", models.zoo),
}  # fmt: skip


def usage() -> str:
    """The help."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, (what, _) in COMMANDS.items()]
    head = "usage: d2ext COMMAND ...\n\nLanguage-guided and roadside perception from one RGB camera.\n"
    return "\n".join([head, *lines, "\n`d2ext COMMAND --help` says more; `d2ext --version` the version."])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line; ends the program with status 2 where there is no such command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words.pop(0) if words else "--help"
    if name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(f"d2ext {importlib.metadata.version('d2ext')}")
    elif name in COMMANDS:
        sys.argv = [f"d2ext {name}", *words]
        COMMANDS[name][1](words)
    else:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(COMMANDS)}"
        print(f"error: {name[:60]}: no such command, {hint}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
