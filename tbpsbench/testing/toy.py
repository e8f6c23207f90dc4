"""Contract tests and toy data, for this package's own tests and for authors of plug-ins.

    from tbpsbench.testing import check_loss
    def test_my_loss(): check_loss({"type": "MyLoss", "margin": 0.2})

Each `check_*` builds a component by the config that a user would write and asserts what its slot promises.
`mock_run` trains and evaluates a whole config on tiny MiniPEDES.

Shapes: B batch, T text tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tbpsbench import registry
from tbpsbench.entries import Entry
from tbpsbench.model.roles import MASKED, QUERY, role_of
from tbpsbench.model.wiring import TEXT_ATTENTION
from tbpsbench.types import Batch, Embedding, Features, LossOutput, Tokens

Component = Mapping[str, Any]
WIDTH = 16
ROLES = (QUERY, "identity", "clothing")
# More features than one model makes at once, so that any component finds what it requires.
VECTORS = ("image.pooled", "identity", "clothing", "clothing_ungated", "gate", "fused")


def toy_tokens(batch: int = 6, length: int = 9, vocab_size: int = 50, seed: int = 0) -> Tokens:
    """Random texts of different lengths: ids 4 .. vocab_size - 1, padded with 0."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, length + 1, size=batch)
    lengths[0] = length
    mask = torch.arange(length) < torch.from_numpy(lengths)[:, None]
    ids = torch.from_numpy(rng.integers(4, vocab_size, size=(batch, length))) * mask
    return Tokens(ids, mask)


def toy_masked(query: Tokens) -> Tokens:
    """A caption with its second token masked (id 3), and labels: what the data make in the role "masked"."""
    masked, labels = query.ids.clone(), torch.zeros_like(query.ids)
    masked[:, 1], labels[:, 1] = 3, query.ids[:, 1]
    return Tokens(masked, query.mask, labels)


def toy_batch(
    pids: Sequence[int] = (0, 0, 1, 2, 2, 3),
    size: tuple[int, int] = (32, 16),
    seed: int = 0,
    roles: Sequence[str] = ROLES,
) -> Batch:
    """A batch of random images and texts in all roles.

    Args:
        pids: training label of each pair; also gives B.
        size: height and width.
        seed: another seed is another batch.
        roles: of the texts, besides "masked".
    """
    count = len(pids)
    index = torch.arange(count)
    image = torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))
    texts = {role: toy_tokens(count, seed=seed + position) for position, role in enumerate(roles)}
    texts[MASKED] = toy_masked(texts[QUERY])
    return Batch(image, texts, torch.tensor(list(pids)), index, index, index, torch.ones(count))


def toy_features(batch: Batch, width: int = WIDTH, seed: int = 0, dtype: torch.dtype = torch.float32) -> Features:
    """Random features under every name that components of the package read, with gradients."""
    generator = torch.Generator().manual_seed(seed)
    count, length = len(batch), next(iter(batch.texts.values())).ids.shape[1]

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()

    features = Features({name: draw(count, width) for name in VECTORS})
    features["image.tokens"], features["image.patches"] = draw(count, 9, width), draw(count, 8, width)
    features["identity.tokens"] = draw(count, 8, width)
    features["image.attention"] = torch.rand(count, 9, 9, generator=generator).softmax(-1)
    for role, tokens in batch.texts.items():
        features[f"text.{role}.tokens"], features[f"text.{role}.pooled"] = (
            draw(count, length, width),
            draw(count, width),
        )
        features[f"text.{role}.mask"] = tokens.mask
        features[f"text.{role}.attention"] = torch.rand(count, length, length, generator=generator).softmax(-1)
    features.heads["global"] = Embedding(draw(count, width), draw(count, width))
    return features


def toy_dims(width: int = WIDTH, roles: Sequence[str] = ROLES) -> dict[str, int]:
    """Widths of the toy features."""
    texts = [f"text.{role}.{kind}" for role in (*roles, MASKED) for kind in ("tokens", "pooled")]
    tokens = ("image.tokens", "image.patches", "identity.tokens")
    names = [*VECTORS, *tokens, *texts, "heads.global.image", "heads.global.text"]
    return dict.fromkeys(names, width)


def _roles_read(entry: Entry[Any], config: Component) -> tuple[str, ...]:
    """The usual roles, and others that the component reads."""
    read = {role for feature in entry.resolve(entry.requires, config) if (role := role_of(feature))}
    return (*ROLES, *sorted(read - {*ROLES, MASKED}))


def check_loss(config: Component, width: int = WIDTH) -> None:
    """A loss gives a finite scalar with gradients on what it requires, whoever is in the batch, and repeats itself."""
    entry = registry.LOSSES.entry(config["type"])
    roles = _roles_read(entry, config)
    dims = toy_dims(width, roles)
    for pids in ((0, 0, 1, 2, 2, 3), (5, 5, 5, 5), (0, 1, 2, 3), (0,)):
        loss = registry.LOSSES.build(config, "loss", {"dims": dims})
        batch = toy_batch(pids, roles=roles)
        features = toy_features(batch, width)
        output = loss(features, batch)
        assert isinstance(output, LossOutput), f"forward returned {type(output).__name__}, expected LossOutput"
        assert output.value.ndim == 0, f"the value has shape {tuple(output.value.shape)}, expected a scalar"
        assert torch.isfinite(output.value), f"the value is {output.value} for identities {pids}"
        if output.per_sample is not None:
            reduced = output.per_sample.mean() if output.reduction == "mean" else output.per_sample.sum()
            torch.testing.assert_close(reduced, output.value)
        if output.value.requires_grad:
            output.value.backward()
            grads = [t.grad for t in (features[n] for n in entry.resolve(entry.requires, config) if n in features)]
            assert any(g is not None for g in grads), "no required feature gets a gradient"
            assert all(torch.isfinite(g).all() for g in grads if g is not None), f"a gradient is not finite, {pids}"
    loss.eval()
    torch.testing.assert_close(loss(features, batch).value, loss(features, batch).value)
    check_state(loss, registry.LOSSES.build(config, "loss", {"dims": dims}))


def check_balancer(config: Component) -> None:
    """A balancer weighs losses without touching gradients, learns in training alone, and goes on from what it saved.

    The losses are called "first", "second" and "third" and share the layer "shared"; the third is a regulariser.
    """
    names = {"names": ("first", "second", "third"), "balanced": ("first", "second")}
    torch.manual_seed(0)
    model = nn.ModuleDict({"shared": nn.Linear(WIDTH, WIDTH), "last": nn.Linear(WIDTH, 3)})
    balancers = [registry.BALANCERS.build(config, "balancer", names) for _ in range(2)]
    for balancer in balancers:
        balancer.attach(model)
        assert not list(balancer.parameters()), "task weights are buffers, or the network's optimiser would move them"

    def step(balancer: Any, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        x = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(seed))
        values = model["last"](model["shared"](x).tanh()).square().mean(0) * torch.tensor([1.0, 30.0, 0.1])
        losses = {name: LossOutput(value) for name, value in zip(names["names"], values, strict=True)}
        model.zero_grad()
        total, log = balancer(losses)
        assert total.ndim == 0, f"the total has shape {tuple(total.shape)}, expected a scalar"
        assert torch.isfinite(total), f"the total is {total}"
        assert all(p.grad is None for p in model.parameters()), "the balancer filled gradients of the network"
        total.backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters()), "a gradient is not finite"
        return total.detach(), log

    for seed in range(5):
        step(balancers[0], seed)
    check_state(*balancers)
    for seed in range(5, 8):
        (one, log), (other, other_log) = step(balancers[0], seed), step(balancers[1], seed)
        assert torch.equal(one, other), "the total differs after saving and loading"
        assert log.keys() == other_log.keys()
        assert all(torch.equal(torch.as_tensor(log[key]), torch.as_tensor(other_log[key])) for key in log)
    before = {key: value.clone() for key, value in balancers[0].eval().state_dict().items()}
    step(balancers[0], 8)
    for key, value in balancers[0].state_dict().items():
        assert torch.equal(value, before[key]), f"{key} changed in evaluation"


def check_head(config: Component, width: int = WIDTH) -> None:
    """A head embeds both sides to its width, each alone as galleries and queries do, and every row by itself."""
    roles = _roles_read(registry.HEADS.entry(config["type"]), config)
    dims, batch = toy_dims(width, roles), toy_batch(roles=roles)
    head = registry.HEADS.build(config, "head", {"dims": dims}).eval()
    features = toy_features(batch, width)
    both = head(features, batch)
    for side, rows in (("image", both.image), ("text", both.text)):
        assert rows.ndim in (2, 3), f"the {side} side has shape {tuple(rows.shape)}, expected (B, D) or (B, T, D)"
        ends = (len(rows), rows.shape[-1])
        assert ends == (len(batch), head.dim), f"the {side} side has shape {tuple(rows.shape)}, expected B and head.dim"
    assert head.weight > 0, f"the weight is {head.weight}, expected above 0"
    one = head(_first_row(features), _first_row(batch))
    for side in ("image", "text"):
        alone, together = getattr(one, side), getattr(both, side)[:1]
        torch.testing.assert_close(
            alone, together, rtol=1e-4, atol=1e-5,
            msg=f"the {side} side of a row depends on the other rows of its batch: scores would depend on the gallery",
        )  # fmt: skip
    with torch.no_grad():
        text, image = head.compared(both, "text"), head.compared(both, "image")
        score = head.score(text, image)
        assert score.shape == (len(text), len(image)), f"scores have shape {tuple(score.shape)}, expected (Q, G)"
        assert torch.isfinite(score).all(), "a score is not finite"
        torch.testing.assert_close(head.score(text[:2], image[1:3]), score[:2, 1:3], rtol=1e-4, atol=1e-5)
        if head.cosine:
            torch.testing.assert_close(text.values @ image.values.T, score, rtol=1e-4, atol=1e-5)
    texts = Features({k: v for k, v in features.tensors.items() if k.startswith("text.query")})
    assert head(texts, batch).image is None, "without an image the image side must be None"
    torch.testing.assert_close(head(texts, batch).text, both.text)
    images = Features({k: v for k, v in features.tensors.items() if not k.startswith("text.query")})
    assert head(images, batch).text is None, "without a query the text side must be None"
    torch.testing.assert_close(head(images, batch).image, both.image)
    check_state(head, registry.HEADS.build(config, "head", {"dims": dims}))


def _first_row(part: Any) -> Any:
    """Features or a batch, cut to its first row."""
    if isinstance(part, Features):
        return Features({name: value[:1] for name, value in part.tensors.items()})
    texts = {
        role: Tokens(tokens.ids[:1], tokens.mask[:1], None if tokens.labels is None else tokens.labels[:1])
        for role, tokens in part.texts.items()
    }
    cut = {f.name: getattr(part, f.name) for f in fields(part) if f.name != "texts"}
    return Batch(texts=texts, **{name: None if value is None else value[:1] for name, value in cut.items()})


def check_disentangler(config: Component, width: int = WIDTH) -> None:
    """A disentangler makes the features that it is registered to provide, in the widths that it announces."""
    entry = registry.DISENTANGLERS.entry(config["type"])
    roles = _roles_read(entry, config)
    dims, batch = toy_dims(width, roles), toy_batch(roles=roles)
    part = registry.DISENTANGLERS.build(config, "disentangler", {"dims": dims}).eval()
    made = part(toy_features(batch, width))
    assert set(entry.resolve(entry.provides, config)) == set(made)
    for name, value in made.items():
        assert value.shape[0] == len(batch)
        assert value.shape[-1] == part.dims[name], f"{name} is {value.shape[-1]} wide, announced {part.dims[name]}"
    check_state(part, registry.DISENTANGLERS.build(config, "disentangler", {"dims": dims}))


def check_fuser(config: Component, width: int = WIDTH) -> None:
    """A fuser makes a vector of its width, with and without a text, and learns from the image either way."""
    roles = _roles_read(registry.FUSERS.entry(config["type"]), config)
    dims, batch = toy_dims(width, roles), toy_batch(roles=roles)
    fuser = registry.FUSERS.build(config, "fuser", {"dims": dims})
    features = toy_features(batch, width)
    assert fuser(features).shape == (len(batch), fuser.out_dim)
    images = Features({k: v for k, v in features.tensors.items() if not k.startswith("text.")})
    fused = fuser(images)
    assert fused.shape == (len(batch), fuser.out_dim)
    assert torch.isfinite(fused).all()
    fused.sum().backward()
    assert any(t.grad is not None and t.grad.abs().sum() > 0 for t in images.tensors.values() if t.requires_grad)
    check_state(fuser, registry.FUSERS.build(config, "fuser", {"dims": dims}))


def check_encoder(config: Component, slot: str, size: tuple[int, int] = (32, 16)) -> None:
    """An encoder gives tokens and a pooled vector of its width; padding does not change the pooled vector.

    One that is registered to provide its attention gives it.
    """
    encoder = registry.SLOTS[slot].build(config, slot.lower()).eval()
    attends = bool({"image.attention", TEXT_ATTENTION} & {*registry.SLOTS[slot].entry(config["type"]).provides})
    batch, asked = toy_batch(size=size), {"need_attention": True} if attends else {}
    with torch.no_grad():
        if slot == "IMAGE_ENCODERS":
            encoded = encoder(batch.image_B3HW, **asked)
        else:
            encoded = encoder(batch.texts["query"], **asked)
            cut = encoder(Tokens(batch.texts["query"].ids[1:2], batch.texts["query"].mask[1:2]).cut())
            torch.testing.assert_close(cut.pooled_BD[0], encoded.pooled_BD[1], rtol=1e-4, atol=1e-5)
    assert encoded.pooled_BD.shape == (len(batch), encoder.dim)
    assert encoded.tokens_BLD.shape[::2] == (len(batch), encoder.dim)
    if attends:
        assert encoded.attention_BLL is not None, f"{config['type']} provides its attention and returned none"
        assert encoded.attention_BLL.shape[1:] == 2 * encoded.tokens_BLD.shape[1:2]


def check_transform(config: Component, size: tuple[int, int] = (24, 12)) -> None:
    """A transform keeps three channels and draws only from the generator that it is given."""
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)
    transform = registry.TRANSFORMS.build(config, "transform", {"size": size, "mean": mean, "std": std})
    raw = torch.randint(0, 256, (3, *size), generator=torch.Generator().manual_seed(0))
    for image in (raw.to(torch.uint8), raw.float() / 255):
        try:
            first = transform(image.clone(), np.random.default_rng(1))
        except TypeError:
            continue  # it wants the other kind and says so
        torch.manual_seed(7)
        second = transform(image.clone(), np.random.default_rng(1))
        assert torch.equal(first, second), "equal generators gave different images"
        assert first.shape[0] == 3
        return
    raise AssertionError("the transform takes neither uint8 nor float32 images")


def check_state(one: nn.Module, other: nn.Module) -> None:
    """What one instance saves another takes, strictly."""
    other.load_state_dict(one.state_dict(), strict=True)
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), f"{key} did not survive saving and loading"


def mock_run(config: str | Path, folder: str | Path, *overrides: str) -> dict[str, Any]:
    """Train and evaluate a config for one epoch on tiny MiniPEDES below `folder`, and return its record.

    Raises:
        TBPSError: whatever is wrong with the config.
    """
    from tbpsbench.engine.train import train

    folder = Path(folder)
    tiny = f"data.dataset=dict(type='MiniPEDES', root={str(folder / 'data')!r}, size='tiny')"
    small = ["schedule.max_epochs=1", "data.batch_size=16", "data.num_workers=0"]
    return train(config, folder / "run", [tiny, *small, *overrides], resume="auto")
