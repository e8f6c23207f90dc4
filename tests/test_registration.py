from typing import Literal

import pytest

from tbpsbench import __version__, registration
from tbpsbench.arguments import did_you_mean, matches, parameters_of
from tbpsbench.errors import DataError, RegistryError, TBPSError
from tbpsbench.losses.base import Loss
from tbpsbench.registration import Registry
from tbpsbench.registry import LOSSES, SLOTS


class Shape:
    pass


def registry(**builtins: str) -> Registry:
    return Registry("SHAPES", "shape", f"{__name__}:Shape", builtins, context=("space",))


@pytest.fixture
def shapes(monkeypatch):
    slot = registry()
    # Plug-ins are loaded by the first look-up; their bases must be imported as ever.
    usual = registration._import_target
    monkeypatch.setattr(registration, "_import_target", lambda t: Shape if t.endswith(":Shape") else usual(t))

    @slot.register(requires=("source", "pid"), provides=("area",))
    class Circle(Shape):
        def __init__(self, radius: float, space: object, source: str = "image.tokens", mode: Literal["a", "b"] = "a"):
            if radius < 0:
                raise ValueError(f"radius must not be negative, got {radius}")
            self.radius, self.space = radius, space

    return slot


def test_misspelt_type_names_the_nearest_and_all_known(shapes):
    with pytest.raises(RegistryError, match=r"model.x.type: no shape is called 'Cirlce'. Did you mean 'Circle'\?"):
        shapes.build({"type": "Cirlce"}, "model.x")


def test_unknown_argument_names_the_nearest_the_rest_and_the_place_in_the_source(shapes):
    with pytest.raises(RegistryError) as error:
        shapes.build({"type": "Circle", "radius": 1.0, "mod": "b"}, "model.x", {"space": 1})
    text = str(error.value)
    assert "model.x.mod: Circle has no argument 'mod'. Did you mean 'mode'?" in text
    assert "Circle takes: radius, space, source, mode" in text
    assert "test_registration.py:" in text


def test_missing_argument_is_named(shapes):
    with pytest.raises(RegistryError, match=r"model.x: Circle needs the argument 'radius'"):
        shapes.build({"type": "Circle"}, "model.x", {"space": 1})


@pytest.mark.parametrize(("key", "value"), [("radius", "wide"), ("radius", True), ("mode", "c"), ("source", 3)])
def test_wrong_kind_of_value_is_refused_before_building(shapes, key, value):
    (problem,) = shapes.problems({"type": "Circle", "radius": 1.0, key: value}, "model.x")
    assert problem.path == f"model.x.{key}"
    assert repr(value) in problem.message


@pytest.mark.parametrize("annotation", ["B D", "Literal.Nope", "Nowhere", "1 / 0"])
def test_an_annotation_that_cannot_be_read_judges_nothing(shapes, annotation):
    def init(self, x=1):
        pass

    init.__annotations__["x"] = annotation
    shapes.register("Square")(type("Square", (Shape,), {"__init__": init}))
    assert shapes.problems({"type": "Square", "x": "any"}, "model.x") == []
    (problem,) = shapes.problems({"type": "Square", "y": 1}, "model.x")
    assert "Square has no argument 'y'" in problem.message


def test_a_class_without_a_constructor_takes_no_arguments(shapes):
    shapes.register("Dot")(type("Dot", (Shape,), {}))
    (problem,) = shapes.problems({"type": "Dot", "file": "x"}, "model.x")
    assert str(problem).startswith("model.x.file: Dot has no argument 'file'.\n  Dot takes: no arguments   (")


def test_parameters_are_those_that_a_class_or_a_base_of_it_has_written():
    class Written(Loss):
        def __init__(self, margin: float = 0.1, **more):
            super().__init__()

    class Made(Shape):
        def __new__(cls, radius: float):
            self = super().__new__(cls)
            self.radius = radius
            return self

    assert parameters_of(type("Bare", (Loss,), {})) == {}, "torch.nn.Module's own takes anything and then refuses it"
    assert list(parameters_of(type("Inherits", (Written,), {}))) == ["margin", "more"]
    assert list(parameters_of(Made)) == ["radius"]


def test_constructor_refusal_carries_the_place_in_the_config(shapes):
    with pytest.raises(RegistryError, match=r"model.x: Circle: radius must not be negative, got -1"):
        shapes.build({"type": "Circle", "radius": -1}, "model.x", {"space": 1})


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (KeyError("fused"), r"Square: KeyError: 'fused'   \(.*test_registration\.py:\d+\)"),
        (SystemExit(1), r"Square: it called sys\.exit\(1\)   \(.*test_registration\.py:\d+\)"),
        (DataError("no such file"), "^no such file$"),
    ],
)
def test_a_constructor_that_fails_is_an_error_with_its_line(shapes, failure, said):
    @shapes.register()
    class Square(Shape):
        def __init__(self):
            raise failure

    with pytest.raises(TBPSError, match=said):
        shapes.build({"type": "Square"}, "model.x")


def test_all_problems_of_a_component_are_listed_at_once(shapes):
    found = shapes.problems({"type": "Circle", "radios": 1.0, "mode": "z"}, "model.x")
    assert {problem.path for problem in found} == {"model.x.radios", "model.x.mode", "model.x"}


def test_context_goes_only_to_classes_that_ask(shapes):
    assert shapes.build({"type": "Circle", "radius": 2}, "x", {"space": "flat", "unused": 1}).space == "flat"


def test_requirements_follow_the_configured_feature_names(shapes):
    entry = shapes.entry("Circle")
    assert entry.resolve(entry.requires, {}) == ["image.tokens", "pid"]
    assert entry.resolve(entry.requires, {"source": "fused"}) == ["fused", "pid"]
    assert entry.resolve(entry.requires, {"source": None}) == ["pid"]
    assert entry.resolve(entry.requires, {"source": False}) == ["pid"]
    assert entry.resolve(entry.requires, {"source": True}) == ["source", "pid"]


def test_name_clash_names_both_sides(shapes):
    with pytest.raises(RegistryError, match=r"the name 'Circle' is taken by .*Circle"):

        @shapes.register("Circle")
        class Other(Shape):
            pass


def test_name_of_a_built_in_cannot_be_taken():
    with pytest.raises(RegistryError, match=r"'InfoNCE' is taken by the built-in tbpsbench.losses.infonce.InfoNCE"):

        @LOSSES.register("InfoNCE")
        class Mine(Loss):
            def forward(self, features, batch):
                raise NotImplementedError


def test_wrong_base_class_is_refused():
    with pytest.raises(RegistryError, match=r"Mine must inherit from tbpsbench.losses.base.Loss"):

        @LOSSES.register()
        class Mine:
            pass


@pytest.mark.parametrize("names", [{"requires": "anchor"}, {"provides": "fused"}])
def test_a_text_where_a_tuple_is_due_is_refused(shapes, names):
    with pytest.raises(RegistryError, match=r"s is the text '\w+', expected a tuple: \w+=\('\w+',\)"):
        shapes.register(**names)


def test_decorator_without_parentheses_is_refused(shapes):
    with pytest.raises(
        RegistryError, match=r"test_registration\.py:\d+: write @SHAPES\.register\(\), with parentheses"
    ):

        @shapes.register
        class Square(Shape):
            pass


def test_a_function_in_place_of_a_class_is_refused(shapes):
    with pytest.raises(RegistryError, match=r"square must inherit from"):

        @shapes.register()
        def square():
            pass


@pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)
def test_messages_of_every_slot_are_english(slot):
    assert slot.plural.endswith(("sses", "xes")) == slot.kind.endswith(("ss", "x"))
    (problem,) = slot.problems("text", "path")
    assert problem.hint.startswith(f"Known {slot.plural}: ")
    vowel = slot.kind.startswith(("a", "e", "i", "o", "ML"))
    assert problem.message.startswith(f"{'an' if vowel else 'a'} {slot.kind} is written dict(")


def test_several_losses_are_losses():
    with pytest.raises(RegistryError, match="Known losses: "):
        LOSSES.get("InfoNCEE")


def test_a_slot_whose_base_is_not_there_yet_says_so():
    slot = Registry("SPHERES", "sphere", "tbpsbench.no_such_package.base:Sphere", {})
    said = (
        rf"tbpsbench {__version__} has no spheres yet \(tbpsbench\.no_such_package\.base comes with a later version\)"
    )
    with pytest.raises(RegistryError, match=rf"SPHERES: {said}"):

        @slot.register()
        class Ball:
            pass

    with pytest.raises(RegistryError, match=rf"model\.x\.type: no sphere is called 'Ball'\.\s+SPHERES: {said}"):
        slot.build({"type": "Ball"}, "model.x")


def test_every_slot_without_built_ins_has_its_base_or_a_plain_message():
    for slot in SLOTS.values():
        with pytest.raises(RegistryError, match=rf"has no {slot.plural} yet|must inherit from"):
            slot.register("Nothing")(Shape)


def test_built_in_that_cannot_be_imported_shows_the_original_error():
    slot = registry(Gone="tbpsbench.no_such_module:Gone")
    with pytest.raises(RegistryError, match=r"shape 'Gone' cannot be imported .*No module named 'tbpsbench.no_such"):
        slot.get("Gone")


def test_every_built_in_of_every_slot_can_be_imported():
    for slot in SLOTS.values():
        for name in slot.names():
            assert slot.entry(name).cls is slot.get(name)


def test_component_that_is_no_component_is_explained(shapes):
    (problem,) = shapes.problems("Circle", "model.x")
    assert "dict(type='Circle', ...)" in problem.message


def test_did_you_mean_ignores_case_and_stays_silent_without_a_near_name():
    assert did_you_mean("infonce", ["InfoNCE", "HSIC"]) == " Did you mean 'InfoNCE'?"
    assert did_you_mean("zzz", ["InfoNCE"]) == ""


@pytest.mark.parametrize(
    ("value", "hint", "fits"),
    [
        (1, float, True),
        (1.5, int, False),
        (None, int | None, True),
        ("from_data:num_train_ids", int, True),
        ((1, 2), tuple[int, int], True),
        ((1, 2, 3), tuple[int, int], False),
        ([1, 2], tuple[int, ...], True),
        ("x", list[int], False),
        ({"a": 1}, dict[str, int], True),
    ],
)
def test_matches_judges_plain_types(value, hint, fits):
    assert matches(value, hint) is fits
