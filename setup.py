"""Build script: what pyproject.toml cannot say, the packages of the projects.

``projects/<Name>/<package>/`` is installed as ``d2ext.projects.<package>``. A new project needs no line here.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

packages = find_packages(include=["d2ext", "d2ext.*", "d2ext_cli"])
package_dir = {}
for init in sorted(Path("projects").glob("*/*/__init__.py")):
    source = init.parent.as_posix()
    name = f"d2ext.projects.{init.parent.name}"
    package_dir[name] = source
    packages += [name, *(f"{name}.{sub}" for sub in find_packages(source))]

setup(packages=packages, package_dir=package_dir)
