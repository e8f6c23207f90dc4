import textwrap

import pytest

from tbpsbench.config.flat import differences, explain, fingerprint, flatten, in_one_spelling
from tbpsbench.config.load import load_config
from tbpsbench.config.override_order import types_first
from tbpsbench.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def add(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return add


BASE = """
    '''A base.'''
    data = dict(size=(96, 48), batch_size=64)
    model = dict(
        losses=dict(itc=dict(type='InfoNCE', temperature=0.07, symmetric=False)),
        heads={'global': dict(type='GlobalHead')},
        fuser=None,
    )
"""


def test_child_merges_key_by_key_and_knows_where_values_come_from(write):
    write("base.py", BASE)
    child = write("child.py", "_base_ = 'base.py'\ndata = dict(batch_size=8)\n")
    config = load_config(child)
    assert config.values["data"] == {"size": (96, 48), "batch_size": 8}
    assert config.origins[("data", "batch_size")] == f"{child}:2"
    assert config.origins[("data", "size")] == f"{child.parent / 'base.py'}:3"


@pytest.mark.parametrize(
    ("second", "third", "expected"),
    [
        ("optimizer = dict(lr=2.0)", "seed = 7", {"type": "AdamW", "lr": 2.0, "betas": (0.9, 0.98)}),
        ("optimizer = dict(lr=2.0)", "optimizer = dict(lr=3.0)", {"type": "AdamW", "lr": 3.0, "betas": (0.9, 0.98)}),
        ("optimizer = dict(lr=2.0)", "optimizer = dict(eps=1.0)", {"lr": 2.0, "eps": 1.0}),
        ("optimizer = dict(type='SGD')", "optimizer = dict(lr=3.0)", {"type": "SGD", "lr": 3.0, "betas": None}),
        ("optimizer = dict(lr=2.0)", "optimizer = dict(type='SGD')", {"type": "SGD", "lr": 2.0, "betas": None}),
        ("optimizer = dict(_delete_=True, lr=2.0)", "seed = 7", {"type": None, "lr": 2.0, "betas": None}),
        ("optimizer = None", "seed = 7", None),
        ("optimizer = None", "optimizer = dict(lr=3.0)", {"type": "AdamW", "lr": 3.0, "betas": (0.9, 0.98)}),
    ],
)
def test_what_two_bases_inherit_from_one_file_does_not_undo_what_the_first_changed(write, second, third, expected):
    write("first.py", "optimizer = dict(type='AdamW', lr=1.0, betas=(0.9, 0.98))\nseed = 1\n")
    write("second.py", f"_base_ = 'first.py'\n{second}\n")
    write("third.py", f"_base_ = 'sub/../first.py'\n{third}\n")
    config = load_config(write("run.py", "_base_ = ['second.py', 'third.py']\n"))
    assert config.values["seed"] == (7 if third == "seed = 7" else 1)
    optimizer = config.values["optimizer"]
    assert expected == (None if optimizer is None else {key: optimizer.get(key) for key in expected})
    if optimizer is not None and optimizer["lr"] == 2.0:
        assert config.origins[("optimizer", "lr")].endswith("second.py:2")


def test_a_base_that_an_earlier_one_has_gone_beyond_changes_nothing(write):
    write("first.py", "seed = 1\nname = 'a'\n")
    write("second.py", "_base_ = 'first.py'\nseed = 2\n")
    for bases in (["second.py", "first.py"], ["first.py", "second.py"]):
        assert load_config(write("run.py", f"_base_ = {bases}\n")).values == {"seed": 2, "name": "a"}


def test_changed_type_drops_arguments_that_the_new_class_does_not_take_and_says_so(write):
    write("base.py", BASE)
    child = write(
        "child.py", "_base_ = 'base.py'\nmodel = dict(losses=dict(itc=dict(type='NoSuchLoss', margin=1.0)))\n"
    )
    config = load_config(child)
    assert config.values["model"]["losses"]["itc"] == {"type": "NoSuchLoss", "margin": 1.0}
    assert config.notes == [
        "model.losses.itc: type is now NoSuchLoss, dropped what it does not take: temperature, symmetric"
    ]


def test_a_class_without_a_constructor_keeps_no_argument_of_another(write):
    config = load_config(
        write("base.py", "data = dict(captions=dict(type='other', file='x'))\n"), ["data.captions.type=human"]
    )
    assert config.values["data"]["captions"] == {"type": "human"}
    assert config.notes == ["data.captions: type is now human, dropped what it does not take: file"]


def test_changed_type_keeps_shared_arguments(write):
    parent = write("base.py", "data = dict(tokenizer=dict(type='WordPiece', max_length=64, vocab_size=100))\n")
    config = load_config(parent, ["data.tokenizer.type=CLIPBPE"])
    assert config.values["data"]["tokenizer"]["type"] == "CLIPBPE"
    assert "vocab_size" not in config.values["data"]["tokenizer"]
    assert "vocab_size" in config.notes[0]


def test_changed_optimizer_keeps_what_the_new_one_takes(write):
    parent = write("base.py", "optimizer = dict(type='AdamW', lr=0.1, weight_decay=0.5, betas=(0.9, 0.9))\n")
    config = load_config(parent, ["optimizer.type=SGD", "optimizer.momentum=0.9"])
    assert config.values["optimizer"] == {"type": "SGD", "lr": 0.1, "weight_decay": 0.5, "momentum": 0.9}
    assert config.notes == ["optimizer: type is now SGD, dropped what it does not take: betas"]


def test_none_removes_and_delete_replaces(write):
    write("base.py", BASE)
    child = write(
        "child.py",
        "_base_ = 'base.py'\nmodel = dict(losses=dict(itc=None), heads=dict(_delete_=True, a=dict(type='X')))\n",
    )
    values = load_config(child).values["model"]
    assert values["losses"] == {"itc": None}
    assert values["heads"] == {"a": {"type": "X"}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import os\n", "a config is data"),
        ("lr = 1e-4 * 2\n", "'0.0001 \\* 2' is not data"),
        ("x = open('f')\n", "is not data"),
        ("x = [i for i in range(3)]\n", "is not data"),
        ("x = dict(a=1\n", "not valid Python"),
        ("x = 1\nx = 2\n", "x is set twice"),
        ("x = {1: 2}\n", "keys of a dict in a config are strings"),
        ("_base_ = 'gone.py'\n", "its _base_ 'gone.py' does not exist"),
        ("_base_ = 'c.py'\n", "leads back to itself"),
        ("_base_ = 3\n", "_base_ is a file name or a list"),
    ],
)
def test_what_is_not_data_is_refused_with_its_line(write, text, why):
    path = write("c.py", text)
    with pytest.raises(ConfigError, match=why) as error:
        load_config(path)
    assert "c.py" in str(error.value)


def test_missing_config_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.py: no such config file"):
        load_config(tmp_path / "no.py")


def test_overrides_set_values_of_every_kind(write):
    path = write("base.py", BASE)
    config = load_config(
        path,
        ["data.batch_size=3", "model.losses.itc.positives=identity", "data.size=(8, 4)", "model.fuser.type=Mixer",
         "model.losses.sdm=dict(type='SDM', scale=50, _delete_=True)", "runtime.amp=bf16"],
    )  # fmt: skip
    assert config.values["data"] == {"size": (8, 4), "batch_size": 3}
    assert config.values["model"]["losses"]["itc"]["positives"] == "identity"
    assert config.values["model"]["losses"]["sdm"] == {"type": "SDM", "scale": 50}
    assert config.values["model"]["fuser"] == {"type": "Mixer"}
    assert config.values["runtime"] == {"amp": "bf16"}
    assert config.origins[("data", "batch_size")] == "--cfg-options"


def test_override_inside_a_list(write):
    path = write("base.py", "data = dict(transforms=[dict(type='HorizontalFlip', p=0.5), dict(type='Normalize')])\n")
    values = load_config(path, ["data.transforms.0.p=0.1"]).values
    assert values["data"]["transforms"] == [{"type": "HorizontalFlip", "p": 0.1}, {"type": "Normalize"}]


def test_overrides_that_match_nothing_are_listed_at_once(write):
    path = write("base.py", BASE)
    with pytest.raises(ConfigError) as error:
        load_config(path, ["model.losses.hsic.kernel=rbf", "modle.fuser=None", "model.losses.hsic=None", "nonsense"])
    text = str(error.value)
    assert "there is no model.losses.hsic in this config" in text
    assert "Did you mean 'model'?" in text
    assert "write KEY=VALUE, got 'nonsense'" in text
    assert text.count("\n") == 4


def test_explain_names_the_file_of_every_value(write):
    write("base.py", BASE)
    child = write(
        "child.py",
        """
        _base_ = 'base.py'
        data = dict(batch_size=8, dataset=dict(type='MiniPEDES'), tokenizer=dict(type='WordPiece'))
        model = dict(image_encoder=dict(type='ViT'), text_encoder=dict(type='BERT'))
        schedule = dict(max_epochs=1)
        """,
    )
    rows = {key: (value, origin) for key, value, origin in explain(load_config(child, ["data.num_workers=0"]))}
    assert rows["data.batch_size"] == (8, f"{child}:3")
    assert rows["model.losses.itc.temperature"][1].endswith("base.py:5")
    assert rows["data.num_workers"] == (0, "--cfg-options")
    assert rows["evaluation.ties"] == ("pessimistic", "default")


def test_fingerprint_ignores_order_and_sees_values():
    assert fingerprint({"a": 1, "b": (1, 2)}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_differences_name_keys_with_both_values():
    assert differences({"a": {"x": 1, "y": (1,)}}, {"a": {"x": 2, "y": [1], "z": 0}}) == {
        "a.x": (1, 2),
        "a.z": ("(absent)", 0),
    }


def test_a_whole_number_is_one_value_and_true_is_another():
    spelt, other = {"a": 1.0, "b": [2.0, {"c": -3.0}], "d": 0.5}, {"a": 1, "b": (2, {"c": -3}), "d": 0.5}
    assert differences(spelt, other) == {}
    assert in_one_spelling(spelt) == in_one_spelling(other) == {"a": 1, "b": [2, {"c": -3}], "d": 0.5}
    assert differences({"a": 1.0, "b": [0], "c": 1.5}, {"a": True, "b": [False], "c": 1}) == {
        "a": (1.0, True),
        "b": ([0], [False]),
        "c": (1.5, 1),
    }
    huge = [float("inf"), float("nan"), 1e300]
    assert differences({"a": huge}, {"a": list(huge)}) == {}


def test_flatten_goes_into_lists_of_components_only():
    flat = dict(flatten({"t": [{"p": 1}], "s": (1, 2), "e": {}}))
    assert flat == {("t", "0", "p"): 1, ("s",): (1, 2), ("e",): {}}


def test_a_type_comes_before_its_arguments_but_not_before_what_it_overrides():
    """A suite's options come before an entry's: an entry's type must not lose against them."""
    suite = ["optimizer=dict(type='SGD', lr=0.1)", "model.fuser=None"]
    entry = ["optimizer.lr=0.3", "optimizer.type=Adam", "model.fuser.type=SimpleFuser"]
    config = load_config("configs/mini/two-tower_mini-pedes.py", [*suite, *entry])
    assert config.values["optimizer"]["type"] == "Adam"
    assert config.values["model"]["fuser"]["type"] == "SimpleFuser"
    assert load_config("configs/mini/two-tower_mini-pedes.py", [*entry, *suite]).values["optimizer"] == {
        "type": "SGD",
        "lr": 0.1,
    }
    assert types_first(["a.b=1", "a.type=x", "a.c.d=2", "a.c.type=y"]) == ["a.type=x", "a.c.type=y", "a.b=1", "a.c.d=2"]
    assert types_first(["a=1", "a.b=2", "a.type=x", "a.type=y"]) == ["a=1", "a.type=x", "a.type=y", "a.b=2"]
