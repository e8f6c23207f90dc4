import pytest
import torch

from tbpsbench.config.check import check, report, require_valid
from tbpsbench.config.load import load_config
from tbpsbench.errors import ConfigError
from tbpsbench.losses.base import Loss
from tbpsbench.registry import LOSSES

DEMO = "configs/mini/two-tower_mini-pedes.py"


def problems(*overrides):
    return {problem.path: str(problem) for problem in check(load_config(DEMO, overrides))}


def test_the_demo_config_has_no_problems():
    assert problems() == {}


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("model.losses.itc.temprature=1", "model.losses.itc.temprature", "Did you mean 'temperature'?"),
        ("model.losses.itc.type=InfoNEC", "model.losses.itc.type", "Did you mean 'InfoNCE'?"),
        ("data.btch_size=3", "data.btch_size", "Did you mean 'batch_size'?"),
        ("data.batch_size=0", "data.batch_size", "expected at least 1"),
        ("data.dataset.type=CUHK", "data.dataset.type", "CUHKPEDES"),
        ("data.transforms.1.paddin=2", "data.transforms.1.paddin", "Did you mean 'padding'?"),
        ("schedule.max_epochs=ten", "schedule.max_epochs", "expected int"),
        ("optimizer.type=AdamX", "optimizer.type", "Known optimizers"),
        ("optimizer.learning_rate=1", "optimizer.learning_rate", "AdamW has no argument"),
        ("optimizer.lr=fast", "optimizer.lr", "the learning rate is a number"),
        ("evaluation.selection=best", "evaluation.selection", "'val' or 'last' or 'test'"),
        ("evaluation.metric=map", "evaluation.metric", "no score is called 'map'. Did you mean 'mAP'?"),
        ("evaluation.protocols=()", "evaluation.protocols", "is empty, so that nothing would be scored"),
        ("evaluation.protocols=('standrad',)", "evaluation.protocols", "Did you mean 'standard'?"),
        ("evaluation.protocols=('standard', 'distractors')", "evaluation.distractors", "needs a folder of pictures"),
        ("evaluation.rerank=[dict(type='ImageTextMatching')]", "evaluation.rerank.0.loss", "asks the loss 'itm'"),
        ("evaluation.rerank=[dict(type='ImageTextMatching', loss='itc')]", "evaluation.rerank.0.loss", "not as ITM"),
        (
            "evaluation.rerank=[dict(type='InvertedSoftmax'), dict(type='KReciprocal')]",
            "evaluation.rerank.1",
            "does not read the scores of InvertedSoftmax before it",
        ),
        ("model.type=Other", "model.type", "PersonSearchModel"),
        ("seed=-1", "seed", "expected an int from 0"),
        ("scheduler=dict(max_epochs=1)", "scheduler", "Did you mean 'schedule'?"),
        ("data.captions=dict(type='human', file='x')", "data.captions.file", "human has no argument 'file'"),
        ("plugins=['nowhere']", "plugins", "plug-in 'nowhere', which is not installed"),
        ("model.heads={}", "model.heads", "at least one head"),
        ("model.losses.itc=None", "model.losses", "at least one loss"),
    ],
)
def test_each_kind_of_mistake_is_named_with_its_place(override, path, message):
    found = problems(override)
    assert path in found, found
    assert message in found[path]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["evaluation.metric=clothes-change/mAP"], False),
        (["evaluation.metric=clothes-change/mAP", "evaluation.protocols=('standard',)"], True),
        (["evaluation.metric=R@7"], True),
        (["evaluation.metric=R@7", "evaluation.metrics=[dict(type='RecallAtK', ks=(7,))]"], False),
        (["evaluation.metric=R@7", "evaluation.selection=last"], False),
    ],
)
def test_the_metric_is_one_of_the_scores_that_the_run_will_have_where_it_chooses(options, wrong):
    assert ("evaluation.metric" in problems(*options)) is wrong
    assert check(load_config(DEMO, options), trained=True) == []


def test_a_re_ranker_is_looked_for_in_the_model_that_is_evaluated():
    asked = "evaluation.rerank=[dict(type='ImageTextMatching', loss='match')]"
    assert (
        "its losses of that kind: other"
        in problems(asked, "model.losses.other=dict(type='ITM')")["evaluation.rerank.0.loss"]
    )
    assert problems(asked, "model.losses.match=dict(type='ITM')") == {}
    assert problems("evaluation.rerank=[dict(type='KReciprocal')]") == {}
    assert check(load_config(DEMO, [asked]), trained=True)
    assert not check(load_config(DEMO, [asked]), trained=True, other_model=True)


def test_a_chain_of_re_rankers_is_looked_at_for_any_model():
    matching, softmax = "dict(type='ImageTextMatching')", "dict(type='InvertedSoftmax')"
    itm = "model.losses.itm=dict(type='ITM')"
    assert problems(itm, f"evaluation.rerank=[{softmax}, {matching}]") == {}
    asked = f"evaluation.rerank=[{matching}, {softmax}]"
    assert "Put InvertedSoftmax first" in problems(itm, asked)["evaluation.rerank.1"]
    (problem,) = check(load_config(DEMO, [asked]), trained=True, other_model=True)
    assert problem.path == "evaluation.rerank.1"


def test_distractors_are_pictures_without_texts():
    asked = "evaluation.protocols=('distractors',)", "evaluation.distractors=pictures"
    assert problems(*asked) == {}
    found = problems(*asked, "evaluation.gallery_texts=identity")
    assert "Set evaluation.gallery_texts=None" in found["evaluation.distractors"]


def test_all_mistakes_are_listed_at_once_with_where_they_were_written():
    config = load_config(DEMO, ["data.btch_size=1", "model.losses.itc.temprature=1", "optimizer.lrr=1"])
    with pytest.raises(ConfigError) as error:
        require_valid(config)
    text = str(error.value)
    assert "3 problems" in text
    assert text.count("(written at --cfg-options)") == 3


@pytest.mark.parametrize("override", ["data.transforms.0=None", "data.transforms.1=7", "data.transforms.1.padding='x'"])
def test_a_mistake_within_an_override_is_told_to_be_one(override):
    config = load_config(DEMO, [override])
    for problem in report(config, check(config)).split("\n\n  ")[1:]:
        assert "--cfg-options" in problem


def test_no_data_is_read_or_made(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert problems(f"data.dataset.root={tmp_path / 'none'}") == {}
    assert not (tmp_path / "none").exists()


def test_loss_whose_input_nobody_makes_is_found():
    @LOSSES.register("NeedsClothing", requires=("source",))
    class NeedsClothing(Loss):
        def __init__(self, source: str = "clothing"):
            super().__init__()

        def forward(self, features, batch):
            raise NotImplementedError

    try:
        found = problems("model.losses.hsic=dict(type='NeedsClothing')")
        assert (
            "needs the feature 'clothing', which nothing provides: model.disentangler is None"
            in found["model.losses.hsic"]
        )
        assert problems("model.losses.hsic=dict(type='NeedsClothing', source='image.patches')") == {}
        typo = problems("model.losses.hsic=dict(type='NeedsClothing', source='image.patchs')")
        assert "Did you mean 'image.patches'?" in typo["model.losses.hsic"]
    finally:
        LOSSES.remove("NeedsClothing")


def test_a_feature_is_no_hint_for_itself():
    """`gate` is asked for by an argument of this name."""
    found = problems("model.losses.gate=dict(type='GateRegularization')")["model.losses.gate"]
    assert "needs the feature 'gate', which nothing provides: model.disentangler is None" in found
    assert "Did you mean" not in found


def test_head_on_a_description_needs_descriptions():
    override = "model.heads.extra=dict(type='GlobalHead', image='text.identity.pooled', embed_dim=8)"
    assert "come from data.descriptions" in problems(override)["model.heads.extra"]
    assert problems(override, "data.descriptions=descriptions") == {}


FUSER = "model.fuser=dict(type='SimpleFuser', dim=16, {})"
DESCRIBED = "data.descriptions=descriptions"
QUERY_TOLD = "of the query: in training each picture would be shown its own caption"


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ([FUSER.format("text='text.query.pooled'")], "model.fuser", QUERY_TOLD),
        ([FUSER.format("image='text.query.pooled', text=None")], "model.fuser", QUERY_TOLD),
        (["model.heads.global.image=text.query.pooled"], "model.heads.global", "pictures are embedded without one"),
        (["model.heads.global.text=image.pooled"], "model.heads.global", "queries are embedded without one"),
        (["model.heads.global.text=text.identity.pooled", DESCRIBED], "model.heads.global", "of the picture: queries"),
        (
            ["model.heads.two=dict(type='GlobalHead', image='heads.global.text')"],
            "model.heads.two",
            "image is 'heads.global.text', of the query",
        ),
        (["model.losses.itc.anchor=pid"], "model.losses.itc", "anchor is 'pid', a field of the batch, expected a"),
        (["model.losses.itc.anchor=image.mask"], "model.losses.itc", "anchor is 'image.mask', a mask, expected a vec"),
        (
            ["model.losses.itm=dict(type='ITM', text_mask='text.query.pooled')"],
            "model.losses.itm",
            "text_mask is 'text.query.pooled', a vector, expected a mask such as 'text.query.mask'",
        ),
        (
            ["model.losses.itc.anchor=image.tokens"],
            "model.losses.itc",
            "anchor is 'image.tokens', tokens, expected a v",
        ),
        (
            ["model.losses.itm=dict(type='ITM', image='image.pooled')"],
            "model.losses.itm",
            "image is 'image.pooled', a vector, expected tokens such as 'image.tokens'",
        ),
    ],
)
def test_a_part_that_reads_what_it_must_not_is_named(options, path, message):
    found = problems(*options)
    assert list(found) == [path]
    assert message in found[path]


@pytest.mark.parametrize(
    "options",
    [
        [FUSER.format("text='text.identity.pooled'"), "model.heads.global.image=fused", DESCRIBED],
        [FUSER.format("text=None"), "model.heads.global.image=fused"],
        ["model.heads.two=dict(type='GlobalHead', image='heads.global.image', text='heads.global.text')"],
        ["model.heads.words=dict(type='TokenHead')", "model.losses.itm=dict(type='ITM', dim=16)"],
        [
            "model.heads.words=dict(type='TokenHead')",
            "model.losses.words=dict(type='MaxSim', image='heads.words.image', text='heads.words.text')",
        ],
        ["model.losses.itc.anchor=heads.global.text", "model.losses.itc.positive=heads.global.image"],
    ],
)
def test_parts_that_read_their_own_side_are_sound(options):
    assert problems(*options) == {}


@pytest.fixture
def reads_masked():
    """A loss that reads the masked caption."""

    @LOSSES.register("ReadsMasked", requires=("text",))
    class ReadsMasked(Loss):
        def __init__(self, text: str = "text.masked.tokens"):
            super().__init__()

        def forward(self, features, batch):
            raise NotImplementedError

    yield "model.losses.mlm=dict(type='ReadsMasked')"
    LOSSES.remove("ReadsMasked")


def test_loss_on_masked_captions_needs_masked_tokens(reads_masked):
    assert "data.masked_tokens=True" in problems(reads_masked)["model.losses.mlm"]
    assert problems(reads_masked, "data.masked_tokens=True") == {}
    assert problems(reads_masked, "data.masked_tokens=True", "data.mask_shared=True") == {}


def test_head_cannot_read_masked_captions():
    found = problems("data.masked_tokens=True", "model.heads.global.text=text.masked.pooled")
    assert "for losses" in found["model.heads.global"]


def test_sharing_masks_needs_masks():
    assert "no masked tokens" in problems("data.mask_shared=True")["data.mask_shared"]


def test_report_lines_up_message_and_fix():
    config = load_config(DEMO, ["model.losses.itc.temprature=1"])
    lines = report(config, check(config)).splitlines()
    assert lines[0] == f"{DEMO}: 1 problem"
    assert lines[2].index("InfoNCE has") == lines[3].index("InfoNCE takes")


@pytest.mark.parametrize(
    ("option", "place", "message"),
    [
        (
            "data.transforms=[dict(type='PadCrop', padding=-1), dict(type='Normalize')]",
            "data.transforms.0",
            "padding is -1",
        ),
        ("data.transforms=[dict(type='Normalize'), dict(type='HorizontalFlip', p=2)]", "data.transforms.1", "p is 2"),
        ("data.dataset=dict(type='CSVDataset', root='x', file='a/b.csv')", "data.dataset", "file is 'a/b.csv'"),
        ("model.losses.itc.temperature=-1", "model.losses.itc", "temperature"),
        ("model.balancer=dict(type='Fixed', weights=dict(itx=1))", "model.balancer", "Did you mean 'itc'?"),
        ("model.balancer=dict(type='Uncertainty', weights=dict(itx=1))", "model.balancer", "Did you mean 'itc'?"),
        ("model.balancer=dict(type='GradNorm', layer='image', alpha=-1)", "model.balancer", "alpha must be 0 or more"),
    ],
)
def test_what_a_constructor_refuses_is_told_without_data(option, place, message):
    before = torch.random.get_rng_state()
    (problem,) = check(load_config(DEMO, [option]))
    assert problem.path == place
    assert message in problem.message
    assert torch.equal(torch.random.get_rng_state(), before)
