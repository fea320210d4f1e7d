"""Names that users give, on a command line and in a file."""

from __future__ import annotations

import pytest

from d2ext.data.open_vocab.names import Name, parse_prompts, read_names


def test_semicolons_part_names_and_commas_their_prompts():
    assert parse_prompts(" tipper truck, dump  truck ; dog;") == [
        Name("tipper truck", ("tipper truck", "dump truck")),
        Name("dog", ("dog",)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one name"),
        (";,", "expected at least one name"),
        ("car; car", "the name car twice"),
        ("x" * 201, "expected 1 to 200 characters, got 201"),
        ("car without wheels", "has the negation 'without'"),
        ("vehicles that are not red", "has the negation 'not'"),
        ("anything but cars", "has the negation"),
        ("no trucks", "has the negation 'no'"),
        ("a car that isn't parked", "has the negation"),
        ("everything except buses", "has the negation 'except'"),
        ("没有车的路", "has the negation"),
    ],
)
def test_what_cannot_be_looked_for_is_told_in_one_line(text, message):
    with pytest.raises(ValueError) as error:
        parse_prompts(text)
    assert message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("text", ["knot", "notebook", "northbound car", "nonstick pan", "excavator"])
def test_words_that_only_begin_like_negations_are_not_refused(text):
    assert parse_prompts(text)[0].name == text


def test_a_file_has_everything_about_a_name(tmp_path):
    path = tmp_path / "names.yaml"
    path.write_text(
        "- name: tipper\n  prompts: [tipper truck, dump truck]\n  size: [3.1, 2.5, 8]\n"
        "  color: [255, 128, 0]\n  threshold: 0.4\n  exemplars:\n  - image: one.jpg\n"
        "    box: [1, 2, 30, 40]\n- name: dog\n"
    )
    tipper, dog = read_names(path)
    assert tipper.prompts == ("tipper truck", "dump truck") and tipper.size == (3.1, 2.5, 8.0)
    assert tipper.color == (255, 128, 0) and tipper.threshold == 0.4
    assert tipper.exemplars[0].image == str(tmp_path / "one.jpg")
    assert dog == Name("dog", ("dog",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "expected a list of names, got dict"),
        ("- 3", "item 0: expected an object, got int"),
        ("- prompts: [a]", "item 0: field 'name': expected str, got nothing"),
        ("- name: a\n  colour: [1, 2, 3]", "item 0: field 'colour': expected one of color, exemplars"),
        ("- name: a\n  size: [1, 2]", "field 'size': expected a list of 3 numbers"),
        ("- name: a\n  size: [1, 2, 0]", "field 'size': expected 3 metres above 0"),
        ("- name: a\n  color: [1, 2, 300]", "field 'color': expected 3 numbers from 0 to 255"),
        ("- name: a\n  threshold: 2", "field 'threshold': expected a number from 0 to 1"),
        ("- name: a\n  prompts: [no car]", "prompts[0]: 'no car' has the negation"),
        ("- name: a\n  prompts: car", "field 'prompts': expected a list, got str"),
        ("- name: a\n  exemplars: [{image: b.jpg, box: [5, 5, 1, 9]}]", "exemplars[0]: field 'box'"),
        ("- name: a\n- name: a", "the name a twice"),
        ("[]", "expected at least one name"),
        ("- name: !!python/object:os.system a", "names.yaml"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_one_line(tmp_path, text, message):
    path = tmp_path / "names.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        read_names(path)
    assert message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300
