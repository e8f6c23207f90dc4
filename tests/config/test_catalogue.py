"""What a config can name: the page is up to date, and the tool finds slots and components in any spelling."""

from pathlib import Path

import pytest

from tbpsbench.config.catalogue import details, overview, page
from tbpsbench.errors import ConfigError
from tbpsbench.registry import LOSSES, SLOTS


def test_the_page_is_what_the_code_says():
    assert Path("docs/components.md").read_text(encoding="utf-8") == page(), (
        "python tools/components.py --markdown > docs/components.md"
    )


@pytest.mark.parametrize("name", ["LOSSES", "losses", "loss"])
def test_a_slot_lists_its_components(name):
    text = overview(name)
    assert text.startswith("LOSSES  (losses)")
    assert all(f"  {known} " in text for known in LOSSES.names())


def test_all_slots_are_listed():
    text = overview()
    assert all(f"{slot}  (" in text for slot in SLOTS)


def test_a_component_tells_its_arguments():
    text = details("InfoNCE")
    assert text.startswith("InfoNCE  (loss, tbpsbench/losses/infonce.py:")
    assert "dict(type='InfoNCE', anchor='heads.global.image'" in text
    assert "temperature: divides the cosines" in text
    assert "dims" not in text.partition("Args:")[0], "the framework supplies it"


def test_a_class_without_words_or_arguments_borrows_none():
    LOSSES.register("Mute")(type("Mute", (LOSSES.get("InfoNCE"),), {"__init__": lambda self, *args, **more: None}))
    try:
        text = details("Mute")
        assert text.endswith("\n\ndict(type='Mute', **more)"), text
        assert "  Mute " in overview("losses")
    finally:
        LOSSES.remove("Mute")
    assert "\n\ndict(type='human')\n\nThe captions" in details("human")


def test_unknown_names(tool):
    with pytest.raises(ConfigError, match="Did you mean 'InfoNCE'"):
        details("InfoNC")
    with pytest.raises(ConfigError, match="no slot is called"):
        overview("thing")
    code, out, err = tool("components", "InfoNC")
    assert (code, out) == (2, "")
    assert "no component is called 'InfoNC'" in err
    code, out, err = tool("components", "InfoNCE", "--markdown")
    assert (code, out) == (2, "")
    assert "leave out NAME, or --markdown" in err
    code, out, _ = tool("components", "fusers")
    assert code == 0
    assert "MambaFuser" in out
