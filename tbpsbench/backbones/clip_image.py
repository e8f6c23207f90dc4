"""CLIP's image tower (Radford et al. 2021) on open_clip's modules, for any picture size, as IRRA and RDE use it.

Shapes: B batch, L = 1 + h * w tokens (CLS first), D width, H x W pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tbpsbench.backbones.base import Encoded, ImageEncoder
from tbpsbench.backbones.clip_arch import activation, vision_arch
from tbpsbench.backbones.clip_block import run_blocks
from tbpsbench.backbones.clip_weights import UNUSED, convert_clip, find_clip, tower
from tbpsbench.backbones.vit_weights import assumed_grid, fit_positions
from tbpsbench.registry import IMAGE_ENCODERS
from tbpsbench.weights.files import read_state_dict
from tbpsbench.weights.load import LoadReport, load_into


@IMAGE_ENCODERS.register(provides=("image.attention",))
class CLIPImage(ImageEncoder):
    """All tokens of CLIP's ViT through the last norm and the projection; the pooled vector is token 0.

    Args:
        arch: an open_clip model name, or a dict with embed_dim, width, layers, patch_size and optionally heads
            (default: width / 64) and mlp_ratio (4).
        img_size: H, W in pixels; at least one patch each way. What does not fill a patch at the right and lower edge is
            not seen.
        stride: step between patches in pixels; None for patch_size. Smaller steps make patches overlap.
        pretrained: a weight file or folder of OpenAI, open_clip or Hugging Face, a tag of open_clip such as "openai",
            or a hub repository. The square position grid is resized bilinearly to `img_size` (IRRA).
        quick_gelu: OpenAI's activation. None: what `arch` or the pretrained weights say, True if neither does. Weights
            trained by others (LAION) need False when given as a bare file, which says nothing about it.

    Raises:
        ValueError: for an unknown arch or an image smaller than a patch.
        CheckpointError: if the weights cannot be had or do not fit key by key.
    """

    def __init__(
        self,
        arch: str | dict[str, Any] = "ViT-B-16",
        img_size: tuple[int, int] = (384, 128),
        stride: int | None = None,
        pretrained: str | None = None,
        quick_gelu: bool | None = None,
    ) -> None:
        super().__init__()
        sizes = vision_arch(arch)
        step = sizes.patch_size if stride is None else stride
        if step < 1 or min(img_size) < sizes.patch_size:
            raise ValueError(
                f"img_size {tuple(img_size)} must hold a patch of {sizes.patch_size}, stride {step} be >= 1"
            )
        path, said = (None, None) if pretrained is None else find_clip(pretrained, arch)
        quick = next((answer for answer in (quick_gelu, sizes.quick_gelu, said) if answer is not None), True)
        from open_clip.transformer import VisionTransformer

        self.dim, self.img_size = sizes.embed_dim, tuple(img_size)
        self.grid_hw = ((img_size[0] - sizes.patch_size) // step + 1, (img_size[1] - sizes.patch_size) // step + 1)
        self.settled = {"quick_gelu": quick}
        self.visual = VisionTransformer(
            image_size=self.img_size,
            patch_size=sizes.patch_size,
            width=sizes.width,
            layers=sizes.layers,
            heads=sizes.heads,
            mlp_ratio=sizes.mlp_ratio,
            output_dim=sizes.embed_dim,
            act_layer=activation(quick),
        )
        if step != sizes.patch_size:
            self.visual.conv1.stride = (step, step)
            count = 1 + self.grid_hw[0] * self.grid_hw[1]
            self.visual.positional_embedding = nn.Parameter(sizes.width**-0.5 * torch.randn(count, sizes.width))
        self.load_report: LoadReport | None = None if path is None else self.load(str(path))

    def load(self, path: str) -> LoadReport:
        """Load the image tower of a CLIP weight file; the text tower in it is left out.

        Raises:
            CheckpointError: if the file cannot be read or does not fit.
        """
        state = tower(convert_clip(read_state_dict(path), path), "visual")
        assumed = assumed_grid(state, "positional_embedding", self.grid_hw)
        state = fit_positions(state, "positional_embedding", self.grid_hw, path)
        return load_into(self.visual, state, source=path, allow_unexpected=("text.*", *UNUSED), assumed=assumed)

    def forward(self, image_B3HW: Tensor, *, need_attention: bool = False) -> Encoded:
        """Encode images of `img_size`.

        Raises:
            ValueError: for images of another size.
        """
        if tuple(image_B3HW.shape[-2:]) != self.img_size:
            raise ValueError(
                f"CLIPImage was built for images of {self.img_size} (H, W) and got {tuple(image_B3HW.shape[-2:])}; "
                f"set img_size or the transforms' size"
            )
        visual = self.visual
        patches_BLD = visual.conv1(image_B3HW).flatten(2).transpose(1, 2)
        cls_B1D = visual.class_embedding.to(patches_BLD.dtype).expand(patches_BLD.shape[0], 1, -1)
        x_BLD = torch.cat([cls_B1D, patches_BLD], dim=1) + visual.positional_embedding.to(patches_BLD.dtype)
        x_BLD, attention_BLL = run_blocks(visual.transformer, visual.ln_pre(x_BLD), None, need_attention)
        tokens_BLD = visual.ln_post(x_BLD) @ visual.proj
        return Encoded(tokens_BLD, tokens_BLD[:, 0], prefix=1, attention_BLL=attention_BLL)
