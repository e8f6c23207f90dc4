"""What the static check says about views, captions, text transforms and extras before any data are read."""

import pytest

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config

DEMO = "configs/mini/two-tower_mini-pedes.py"
FULL = "configs/tbps_clip/tbps-clip-full_tiny_mini-pedes.py"
READS = "model.losses.more=dict(type='InfoNCE', positive='{}')"


def problems(*overrides, config=DEMO):
    return {problem.path: str(problem) for problem in check(load_config(config, overrides))}


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("data.views=3", "data.views", "expected dict"),
        ("data.views=None", "data.views", "is needed and cannot be None"),
        ("data.views=dict(second='crop')", "data.views.second", "expected a list of transforms"),
        ("data.views=dict(second=[None])", "data.views.second", "expected a list of transforms"),
        ("data.views=dict(query_2=[])", "data.views.query_2", "no role of a caption"),
        ("data.views={'a.b': []}", "data.views.a.b", "letters, digits and underscores"),
        ("data.views=dict(second=[dict(type='Flip')])", "data.views.second.0.type", "no transform is called 'Flip'"),
        (
            "data.views=dict(second=[dict(type='RandomPick', transforms=[dict(type='Rotation', degres=3)])])",
            "data.views.second.0.transforms.0.degres",
            "Did you mean 'degrees'",
        ),
        ("data.captions_per_sample=0", "data.captions_per_sample", "expected"),
        ("data.captions_per_sample=17", "data.captions_per_sample", "expected"),
        ("data.captions_per_sample=two", "data.captions_per_sample", "expected int"),
        ("data.extras=['']", "data.extras", "'' is no name"),
        ("data.extras=['camera', 'camera']", "data.extras", "twice"),
        ("data.extras=camera", "data.extras", "expected list"),
        ("data.more_captions=['../human']", "data.more_captions", "is no name"),
        ("data.more_captions=['back']", "data.more_captions", "CaptionMix"),
        ("data.text_transforms=[dict(type='CaptionMix')]", "data.text_transforms.0", "data.more_captions="),
        ("data.text_transforms=[dict(type='WordDorp')]", "data.text_transforms.0.type", "Did you mean 'WordDrop'"),
        ("data.text_transforms=[dict(type='WordDrop', q=1)]", "data.text_transforms.0.q", "takes: p"),
        (READS.format("view.second.heads.global.image"), "model.losses.more", "data.views=dict(second=[])"),
        (READS.format("view.query_2.heads.global.text"), "model.losses.more", "data.captions_per_sample=2"),
        (READS.format("text.query_3.pooled"), "model.losses.more", "data.captions_per_sample=3"),
        (READS.format("extras.camera"), "model.losses.more", "data.extras=['camera']"),
    ],
)
def test_each_mistake_is_named_with_its_place(override, path, message):
    found = problems(override)
    assert path in found, found
    assert message in found[path]


@pytest.mark.parametrize(
    "overrides",
    [
        ("data.views=dict(second=[])", READS.format("view.second.heads.global.image")),
        ("data.views=dict(second=[])", READS.format("view.second.identity")),
        ("data.captions_per_sample=2", READS.format("view.query_2.heads.global.text")),
        ("data.captions_per_sample=3", READS.format("text.query_3.pooled")),
        ("data.extras=['camera']", READS.format("extras.camera")),
        ("data.more_captions=['back']", "data.text_transforms=[dict(type='CaptionMix'), dict(type='WordSwap')]"),
        ("data.views=dict(second=None)",),
    ],
)
def test_what_the_data_make_losses_may_read(overrides):
    assert problems(*overrides) == {}


@pytest.mark.parametrize(
    ("made", "read"),
    [
        ("data.views=dict(second=[])", "model.heads.global.image=view.second.image.pooled"),
        ("data.captions_per_sample=2", "model.heads.global.text=text.query_2.pooled"),
        ("data.captions_per_sample=2", "model.losses.itc.anchor=view.query_2.image.pooled"),
        ("data.views=dict(second=[])", "model.losses.itc.positive=view.second.heads.global.text"),
    ],
)
def test_heads_read_no_views_and_a_view_has_one_side(made, read):
    assert len(problems(made, read)) == 1


def test_a_view_is_taken_out_like_any_component():
    found = problems("data.views.strong_1=None", config=FULL)
    assert list(found) == ["model.losses.simclr"]
    assert problems("data.views.strong_1=None", "model.losses.simclr=None", config=FULL) == {}
