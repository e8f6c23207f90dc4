"""Configs of captions that ship are sound; docs/captions.md shows every prompt as it is."""

from pathlib import Path

import pytest

from tbpsbench.captions.prompts import PROMPTS
from tbpsbench.captions.settings import build_source, is_captions, read_settings
from tbpsbench.captions.validate import Rules
from tbpsbench.config.load import load_config

CONFIGS = sorted(Path("configs/captions").rglob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_config_has_no_problems(path):
    config = load_config(path)
    assert is_captions(config)
    if "OpenAICompatible" in path.read_text():
        pytest.importorskip("openai")
    build_source(read_settings(config))


def test_there_are_configs():
    assert {path.stem for path in CONFIGS} >= {"mtg", "static", "styled", "dual"}


def test_the_page_shows_every_prompt_in_its_version():
    page = Path("docs/captions.md").read_text()
    for prompt in PROMPTS.values():
        if prompt.name != "style-in-words":  # an instruction as it is
            assert f"`{prompt.id}`\n\n```\n{prompt.text.rstrip()}\n```" in page, prompt.name


def test_the_page_names_the_bounds():
    page, rules = Path("docs/captions.md").read_text(), Rules()
    assert (
        f"fewer than {rules.min_words} or more than {rules.max_words} words, more than {rules.max_tokens} CLIP" in page
    )
