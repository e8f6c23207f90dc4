"""One pedestrian on a canvas: the parts in painting order."""

from __future__ import annotations

from tbpsbench.minipedes.geometry import Figure
from tbpsbench.minipedes.heads import draw_hair_behind, draw_head
from tbpsbench.minipedes.items import draw_bag_behind, draw_bag_front, draw_carried, draw_glasses, draw_hat
from tbpsbench.minipedes.legs import draw_legs
from tbpsbench.minipedes.torso import draw_arms, draw_trunk


def draw_figure(fig: Figure) -> None:
    """Draw a person; what is nearer to the camera comes later."""
    hand_near = not (fig.back or (fig.side and fig.near == "left"))
    draw_hair_behind(fig)
    draw_bag_behind(fig)
    draw_arms(fig, far=True)
    if not hand_near:
        draw_carried(fig)
    draw_legs(fig)
    draw_trunk(fig)
    if fig.back or fig.side:
        if fig.side:
            draw_head(fig)
            draw_hat(fig)
            draw_glasses(fig)
            draw_bag_front(fig)
            draw_arms(fig, far=False)
            if fig.outfit.bag in ("handbag", "tote bag", "suitcase") and fig.near == "left":
                draw_bag_front(fig)
        else:
            draw_arms(fig, far=False)
            if fig.outfit.carried == "umbrella":
                draw_carried(fig)
            draw_bag_front(fig)
            draw_head(fig)
            draw_hat(fig)
        if hand_near:
            draw_carried(fig)
        return
    draw_bag_front(fig)
    draw_head(fig)
    draw_hat(fig)
    draw_glasses(fig)
    draw_arms(fig, far=False)
    if fig.outfit.bag in ("handbag", "tote bag", "suitcase", "shoulder bag"):
        draw_bag_front(fig)
    draw_carried(fig)
