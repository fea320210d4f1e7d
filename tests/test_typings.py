"""What mypy and editors see of the projects: each package under the name it is imported by, once."""

from project_scripts import ROOT


def test_every_project_package_is_linked_for_type_checkers():
    packages = {init.parent for init in ROOT.glob("projects/*/*/__init__.py")}
    links = list((ROOT / "typings/d2ext/projects").iterdir())
    assert {link.name: link.resolve() for link in links} == {p.name: p for p in packages}
    assert all(link.is_symlink() and not link.readlink().is_absolute() for link in links)
