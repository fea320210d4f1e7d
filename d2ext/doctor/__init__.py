"""What ``d2ext doctor`` finds out: about this machine, and about datasets on disk."""

from .dataset import Checked, check_dataset_folder
from .layouts import Found, find_datasets
from .machine import machine_lines, zoo_lines
from .sheet import write_sheet

__all__ = [
    "Checked",
    "Found",
    "check_dataset_folder",
    "find_datasets",
    "machine_lines",
    "write_sheet",
    "zoo_lines",
]
