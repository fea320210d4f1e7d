"""Build script: what pyproject.toml cannot say, the packages of the projects.

``projects/<Name>/<package>/`` is installed as ``d2ext.projects.<package>``; its weights, configs and commands
(``projects/<Name>/*.py``, and ``scripts``) lie below ``d2ext/resources`` by the names that they have in the
tree (see ``d2ext_cli/shipped.py``). A new project needs no line here.
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

shipped = ["configs/*", "projects/*", "projects/*/weights", "scripts", "scripts/*"]
for data in sorted({path for pattern in shipped for path in Path().glob(pattern)}):
    if not data.is_dir() or data.name.startswith(("__", ".")):
        continue
    name = ".".join(("d2ext", "resources", *data.parts))
    package_dir[name] = data.as_posix()
    packages.append(name)

setup(packages=packages, package_dir=package_dir)
