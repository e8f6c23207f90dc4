"""MTG asks a real multimodal model, a Qwen2-VL of random weights: in this process, and behind a server."""

import asyncio
import json

import pytest
import tiny_qwen
from chat_faults import Act
from chat_server import ChatServer, digest
from served_qwen import forwarded, serving

from tbpsbench.captions.prompts import QUESTIONS, RECONSTRUCT, STATIC
from tbpsbench.captions.run import make_plan, run
from tbpsbench.captions.settings import CaptionSettings
from tbpsbench.captions.store import read_lines
from tbpsbench.mllm.meter import Meter
from tbpsbench.mllm.pictures import enlarged, read_picture

IMAGES = 20
NONSENSE = ("short", "cut", "letters", "coverage", "markup", "run", "repetition")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_qwen.make(tmp_path_factory.mktemp("models") / "tiny-qwen2vl", endings=150)


@pytest.fixture
def captioned(mini, tmp_path):
    """Caption twenty images; (plan, outcome, records, failures)."""

    def go(mllm, validation):
        settings = CaptionSettings(
            dataset={"type": "MiniPEDES", "root": str(mini), "size": "tiny"},
            source={"type": "mtg", "name": "real", "batched": True, "max_words": 20},
            mllm=mllm, retries=1, validation=validation, out=str(tmp_path / validation), images_at_once=4,
        )  # fmt: skip
        plan = make_plan(settings)
        outcome = asyncio.run(run(plan, Meter(settings.limits), limit=IMAGES))
        assert outcome.stopped is None
        return plan, outcome, list(read_lines(plan.folder, "records")), list(read_lines(plan.folder, "failed"))

    return go


def test_nonsense_fails_with_its_reason_or_is_kept_with_it(captioned, tiny):
    mllm = {"type": "LocalTransformers", "model": str(tiny), "device": "cpu", "batch_size": 4}
    _, outcome, records, failures = captioned(mllm, "strict")
    assert (outcome.made, outcome.failed, records) == (0, IMAGES, [])
    assert len({failure["image_id"] for failure in failures}) == IMAGES
    for failure in failures:
        assert failure["reason"].startswith(NONSENSE)
        assert failure["attempts"] == 2
    _, outcome, records, failures = captioned(mllm, "permissive")
    assert (outcome.made, outcome.failed, failures) == (IMAGES, 0, [])
    assert len({record["image_id"] for record in records}) == IMAGES
    for record in records:
        # A static caption, an answer to all questions, a merged caption; equal merges are asked once.
        assert record["usage"]["answers"] >= 3
        assert record["usage"]["calls"] >= 2


@pytest.mark.slow
def test_a_server_is_shown_pictures_and_prompts_and_counts_tokens(captioned, tiny, tmp_path_factory):
    counted = []
    with serving(tiny, tmp_path_factory.mktemp("hub")) as port:

        async def forward(seen):
            status, body = await asyncio.to_thread(forwarded, port, "POST", seen.path, json.dumps(seen.body))
            if status == 200:
                counted.append((seen, json.loads(body)["usage"]))
            return Act(status, {"content-type": "application/json"}, body)

        with ChatServer(forward) as proxy:
            mllm = {"type": "OpenAICompatible", "model": str(tiny), "base_urls": [proxy.url], "longer": 1}
            plan, outcome, records, failures = captioned(mllm, "permissive")
    assert (outcome.made, len(records)) == (IMAGES, IMAGES), [failure["reason"] for failure in failures]
    sent = {enlarged(read_picture(plan.human.image_root / image.file)).sha256 for image in plan.images}
    kinds = {prompt.id: 0 for prompt in (STATIC, QUESTIONS, RECONSTRUCT)}
    texts = {
        STATIC.id: STATIC.text, QUESTIONS.id: QUESTIONS.text.partition("{")[0],
        RECONSTRUCT.id: RECONSTRUCT.text.partition("{")[0],
    }  # fmt: skip
    asked = tokens = 0
    for seen, usage in counted:
        kind = next((name for name, start in texts.items() if seen.text.startswith(start)), None)
        if kind is None:  # a probe
            continue
        kinds[kind] += 1
        asked, tokens = asked + 1, tokens + usage["prompt_tokens"]
        assert [digest(picture) in sent for picture in seen.pictures] == [True] * (kind != RECONSTRUCT.id)
    assert min(kinds[STATIC.id], kinds[QUESTIONS.id]) >= IMAGES
    assert kinds[RECONSTRUCT.id] > 0
    # Equal merges are asked once; their tokens stand in each record.
    assert sum(record["usage"]["calls"] for record in records) == asked
    assert sum(record["usage"]["prompt_tokens"] for record in records if not record["usage"]["cached"]) <= tokens
    assert sum(record["usage"]["prompt_tokens"] for record in records) >= tokens > 0
