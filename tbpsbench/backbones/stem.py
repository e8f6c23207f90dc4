"""A convolutional stem for small ViTs (Xiao et al. 2021, Early Convolutions Help Transformers See Better).

Shapes: B batch, L = h * w patches, D width, H x W pixels.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from tbpsbench.layers.batch_norm import BatchNorm2d

STRIDE = 8  # of the three stride-2 convolutions


class ConvStem(nn.Module):
    """Three stride-2 3 x 3 convolutions, then a projection with kernel and stride patch_size / 8.

    Each of the three is followed by a norm and GELU; widths D / 4, D / 2, D. It takes the place of mmpretrain's
    PatchEmbed.

    Args:
        width: D, divisible by 4.
        img_size: H, W; multiples of `patch_size`.
        patch_size: total stride; a multiple of 8.
        norm: "group": one group per image, so that an image gives the same tokens alone, in a batch and on several
            GPUs; "batch": learns faster in few steps, with statistics of the batch, of all processes where there are
            several.

    Raises:
        ValueError: if the sizes do not divide.
    """

    def __init__(self, width: int, img_size: tuple[int, int], patch_size: int, norm: str = "group") -> None:
        super().__init__()
        if patch_size % STRIDE or any(side % patch_size for side in img_size):
            raise ValueError(
                f"stem='conv' needs a patch_size that is a multiple of {STRIDE} and an img_size that is a multiple of "
                f"patch_size, got {patch_size} and {tuple(img_size)}"
            )
        if width % 4:
            raise ValueError(f"stem='conv' needs a width divisible by 4, got {width}")
        widths = (3, width // 4, width // 2, width)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                BatchNorm2d(after) if norm == "batch" else nn.GroupNorm(1, after),
                nn.GELU(),
            ]
        # Channels last: the convolutions take two thirds of the time on a CPU.
        self.convolutions = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.projection = nn.Conv2d(width, width, patch_size // STRIDE, stride=patch_size // STRIDE)
        self.init_out_size = (img_size[0] // patch_size, img_size[1] // patch_size)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Patches (B, L, D) in row-major order, and the grid (h, w)."""
        x_BDhw: Tensor = self.projection(self.convolutions(image_B3HW.contiguous(memory_format=torch.channels_last)))
        return x_BDhw.flatten(2).transpose(1, 2), (x_BDhw.shape[2], x_BDhw.shape[3])


def init_like_vit(module: nn.Module) -> None:
    """Draw linear layers from a normal cut at two standard deviations (0.02), convolutions by fan-in; biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
        elif isinstance(part, nn.Conv2d):
            fan_in = part.weight[0].numel()
            nn.init.trunc_normal_(part.weight, std=fan_in**-0.5)
        else:
            continue
        if part.bias is not None:
            with torch.no_grad():
                part.bias.zero_()
